/*
 * The file system that DuckDB sees for lake:// and mem://. It turns names and offsets into calls of
 * lake_io.c and failures into exceptions; who may open what, and how, is decided there.
 *
 * A file is opened with the ClientContext of its statement. The context carries our state (see
 * bridge.cc), and that leads to the connection, so that reads of DuckDB's own threads reach the
 * right call. A file without a context belongs to nobody and is refused.
 */
#include "engine/lake_fs.h"
#include "engine/bridge.hpp"

#include "duckdb/common/file_opener.hpp"
#include "duckdb/common/file_system.hpp"
#include "duckdb/main/capi/capi_internal.hpp"

namespace
{

using duckdb::FileHandle;
using duckdb::FileOpener;
using duckdb::FileOpenFlags;
using duckdb::FileSystem;
using duckdb::idx_t;
using duckdb::string;

constexpr size_t TEXT_MAX = 512;

class LakeHandle final : public FileHandle
{
  public:
    LakeHandle(FileSystem &fs, const string &name, FileOpenFlags mode, engine_file *opened)
        : FileHandle(fs, name, mode), file(opened)
    {
    }
    ~LakeHandle() override
    {
        engine_file_close(file);
    }
    void Close() override
    {
        engine_file_close(file);
        file = nullptr;
    }

    engine_file *file;
    idx_t position = 0;
};

class LakeFileSystem final : public FileSystem
{
  public:
    duckdb::unique_ptr<FileHandle> OpenFile(const string &path, FileOpenFlags flags,
                                            duckdb::optional_ptr<FileOpener> opener) override
    {
        char text[TEXT_MAX] = "no statement owns this file";
        engine_reads *reads = lakehouse::ReadsOf(FileOpener::TryGetClientContext(opener));
        engine_file *file =
            reads ? engine_file_open(reads, path.c_str(), flags.OpenForWriting(), text) : nullptr;

        if (!file)
            throw duckdb::IOException("%s", string(text));
        return duckdb::make_uniq<LakeHandle>(*this, path, flags, file);
    }

    void Read(FileHandle &handle, void *to, int64_t n, idx_t at) override
    {
        char text[TEXT_MAX];

        if (!engine_file_read(Of(handle).file, to, static_cast<uint64_t>(n), at, text))
            throw duckdb::IOException("%s", string(text));
    }

    int64_t Read(FileHandle &handle, void *to, int64_t n) override
    {
        LakeHandle &h = Of(handle);
        idx_t size = engine_file_size(h.file);
        idx_t left = h.position < size ? size - h.position : 0;
        int64_t now = static_cast<int64_t>(std::min<idx_t>(left, static_cast<idx_t>(n)));

        if (now > 0)
            Read(handle, to, now, h.position);
        h.position += static_cast<idx_t>(now);
        return now;
    }

    void Write(FileHandle &handle, void *from, int64_t n, idx_t at) override
    {
        char text[TEXT_MAX];

        if (!engine_file_write(Of(handle).file, from, static_cast<uint64_t>(n), at, text))
            throw duckdb::IOException("%s", string(text));
    }

    int64_t Write(FileHandle &handle, void *from, int64_t n) override
    {
        LakeHandle &h = Of(handle);

        Write(handle, from, n, h.position);
        h.position += static_cast<idx_t>(n);
        return n;
    }

    int64_t GetFileSize(FileHandle &handle) override
    {
        return static_cast<int64_t>(engine_file_size(Of(handle).file));
    }

    duckdb::timestamp_t GetLastModifiedTime(FileHandle &handle) override
    {
        return duckdb::timestamp_t(engine_file_modified_us(Of(handle).file));
    }

    /* Lets the footer cache trust an object from its first second: by time alone it distrusts
     * everything younger than ten. */
    string GetVersionTag(FileHandle &handle) override
    {
        return engine_file_tag(Of(handle).file);
    }

    duckdb::FileType GetFileType(FileHandle &) override
    {
        return duckdb::FileType::FILE_TYPE_REGULAR;
    }

    /* Keys are names, never patterns: what does not exist fails at open. */
    duckdb::vector<duckdb::OpenFileInfo> Glob(const string &path, FileOpener *) override
    {
        return {duckdb::OpenFileInfo(path)};
    }

    /* COPY asks before it writes; only mem:// can be written, and there everything is new. */
    bool FileExists(const string &, duckdb::optional_ptr<FileOpener>) override
    {
        return false;
    }
    bool DirectoryExists(const string &, duckdb::optional_ptr<FileOpener>) override
    {
        return false;
    }
    bool TryRemoveFile(const string &, duckdb::optional_ptr<FileOpener>) override
    {
        return false;
    }
    /* A COPY that fails removes what it wrote; its owner throws the bytes away anyhow. */
    void RemoveFile(const string &, duckdb::optional_ptr<FileOpener>) override
    {
    }
    bool IsPipe(const string &, duckdb::optional_ptr<FileOpener>) override
    {
        return false;
    }
    void FileSync(FileHandle &) override
    {
    }
    void Truncate(FileHandle &, int64_t) override
    {
    }

    void Seek(FileHandle &handle, idx_t location) override
    {
        Of(handle).position = location;
    }
    void Reset(FileHandle &handle) override
    {
        Of(handle).position = 0;
    }
    idx_t SeekPosition(FileHandle &handle) override
    {
        return Of(handle).position;
    }
    bool CanSeek() override
    {
        return true;
    }
    /* False makes the Parquet reader fetch neighbouring columns in one range, which is right for S3
     * and costs a local folder nothing. */
    bool OnDiskFile(FileHandle &) override
    {
        return false;
    }
    bool CanHandleFile(const string &path) override
    {
        return path.compare(0, 7, "lake://") == 0 || path.compare(0, 6, "mem://") == 0;
    }
    /* No other file system may claim these names. */
    bool IsManuallySet() override
    {
        return true;
    }
    string GetName() const override
    {
        return "LakeFileSystem";
    }

  private:
    static LakeHandle &Of(FileHandle &handle)
    {
        return static_cast<LakeHandle &>(handle);
    }
};

} // namespace

bool
engine_lake_register(duckdb_database db)
{
    try {
        auto &instance = *reinterpret_cast<duckdb::DatabaseWrapper *>(db)->database->instance;

        FileSystem::GetFileSystem(instance).RegisterSubSystem(
            duckdb::unique_ptr<FileSystem>(new LakeFileSystem()));
        lakehouse::RegisterReplacement(instance);
        return true;
    } catch (...) {
        return false;
    }
}
