// The AWS SDK for JavaScript against the S3 door, with its own defaults: checksums in trailers, streams, presigned addresses, multipart.
//
//     node tests/integration/s3_sdk.mjs URL        keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
    CopyObjectCommand, CreateBucketCommand, DeleteBucketCommand, DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command,
    paginateListObjectsV2, PutObjectCommand, S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const endpoint = process.argv[2];
const Bucket = "sdk-js";
const options = { endpoint, region: "us-east-1", forcePathStyle: true, maxAttempts: 1 };
const s3 = new S3Client(options);
const send = (Command, input) => s3.send(new Command({ Bucket, ...input }));
const bytes = async (Key, more) => Buffer.from(await (await send(GetObjectCommand, { Key, ...more })).Body.transformToByteArray());
const refused = (promise, name, status) => assert.rejects(promise, (e) => {
    assert.equal(e.name, name);
    assert.equal(e.$metadata.httpStatusCode, status);
    return true;
});

await send(CreateBucketCommand, {});

// Every checksum of the SDK, of a buffer (in a header) and of a stream (behind it).
const data = randomBytes(300_000);
for (const ChecksumAlgorithm of [undefined, "CRC32", "CRC32C", "SHA1", "SHA256"]) {
    const put = await send(PutObjectCommand, { Key: "buffer", Body: data, ChecksumAlgorithm, Metadata: { algorithm: `${ChecksumAlgorithm}` }, ContentType: "text/x-js" });
    assert.match(put.ETag, /^"[0-9a-f]{32}"$/);
    await send(PutObjectCommand, { Key: "stream", Body: Readable.from([data.subarray(0, 100_000), data.subarray(100_000)]), ContentLength: data.length, ChecksumAlgorithm });
    assert.deepEqual(await bytes("buffer", { ChecksumMode: "ENABLED" }), data);
    assert.deepEqual(await bytes("stream"), data);
    const head = await send(HeadObjectCommand, { Key: "buffer" });
    assert.deepEqual([head.Metadata, head.ContentType, head.ContentLength], [{ algorithm: `${ChecksumAlgorithm}` }, "text/x-js", data.length]);
}
assert.deepEqual(await bytes("buffer", { Range: "bytes=-7" }), data.subarray(-7));
await refused(send(PutObjectCommand, { Key: "bad", Body: data, ChecksumCRC32: "AAAAAA==" }), "BadDigest", 400);

// Conditions.
await send(PutObjectCommand, { Key: "conditional", Body: "1", IfNoneMatch: "*" });
await refused(send(PutObjectCommand, { Key: "conditional", Body: "2", IfNoneMatch: "*" }), "PreconditionFailed", 412);
const { ETag } = await send(HeadObjectCommand, { Key: "conditional" });
await send(PutObjectCommand, { Key: "conditional", Body: "3", IfMatch: ETag });
await refused(send(PutObjectCommand, { Key: "conditional", Body: "4", IfMatch: ETag }), "PreconditionFailed", 412);
await refused(send(GetObjectCommand, { Key: "absent" }), "NoSuchKey", 404);

// Parts, and a condition that holds when they are put together.
const large = randomBytes((11 << 20) + 5);
const upload = (Key, Body, more) => new Upload({ client: s3, params: { Bucket, Key, Body, ...more }, partSize: 5 << 20, queueSize: 3 }).done();
const done = await upload("parts ü+%", Readable.from([large.subarray(0, 6 << 20), large.subarray(6 << 20)]), { Metadata: { m: "ü".normalize() && "1" } });
assert.match(done.ETag, /-3"$/);
assert.deepEqual(await bytes("parts ü+%"), large);
await refused(upload("parts ü+%", large, { IfNoneMatch: "*" }), "PreconditionFailed", 412);
await upload("parts once", large, { IfNoneMatch: "*" });
await send(CopyObjectCommand, { Key: "copied", CopySource: `${Bucket}/${encodeURIComponent("parts ü+%")}` });
assert.deepEqual(await bytes("copied"), large);

// Addresses that are signed.
const put = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: "by address", ContentType: "text/plain" }), { expiresIn: 60 });
assert.equal((await fetch(put, { method: "PUT", body: "sent by fetch", headers: { "content-type": "text/plain" } })).status, 200);
const get = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "by address", ResponseContentDisposition: "attachment" }), { expiresIn: 60 });
const answer = await fetch(get);
assert.deepEqual([await answer.text(), answer.headers.get("content-disposition")], ["sent by fetch", "attachment"]);

// Lists, in pages.
const keys = [...Array(25).keys()].map((i) => `list/${i % 5}/${i}`);
await Promise.all(keys.map((Key) => send(PutObjectCommand, { Key, Body: "" })));
const listed = [];
for await (const page of paginateListObjectsV2({ client: s3, pageSize: 7 }, { Bucket, Prefix: "list/" })) listed.push(...page.Contents.map((o) => o.Key));
assert.deepEqual(listed, [...keys].sort());
const rolled = await send(ListObjectsV2Command, { Prefix: "list/", Delimiter: "/" });
assert.deepEqual(rolled.CommonPrefixes.map((p) => p.Prefix), [0, 1, 2, 3, 4].map((i) => `list/${i}/`));

// Wrong keys.
const stranger = new S3Client({ ...options, credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: "wrong" } });
await refused(stranger.send(new GetObjectCommand({ Bucket, Key: "buffer" })), "SignatureDoesNotMatch", 403);

const all = [];
for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket })) all.push(...page.Contents.map(({ Key }) => ({ Key })));
const removed = await send(DeleteObjectsCommand, { Delete: { Objects: all } });
assert.equal(removed.Deleted.length, all.length);
await send(DeleteBucketCommand, {});
console.log("all promises kept");
