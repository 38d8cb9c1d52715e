// Measures one set of vectors: ours, hnswlib and faiss in one process, taking turns.
//
//   bench_vectors FOLDER [key=value …]     one JSON object a line, see run.py
//
//   rounds=3 threads=2 kernels= faiss=0 parts=build,search,threads,filter,insert,file  queries=2000  cache=0
//
// hnswlib 0.6.2 of Debian has no filter in its walk; `filtered` below is that of its version 0.8: every node is
// walked, only allowed ones become results, and the walk ends when it can get no better.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <hnswlib/hnswlib.h>
#ifdef HAVE_FAISS
#include <faiss/IndexHNSW.h>
#include <omp.h>
#endif
extern "C" {
#include "ann/ann.h"
}

using std::string;
using std::vector;

namespace {

constexpr size_t K = 10;
constexpr size_t TRUTH = 100;

double now()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The machine may be shared: what a thread or the process was given of the processors is steadier than the clock.
double cpu(clockid_t which)
{
    timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

template <class T> struct Mapped {
    T *at = nullptr;
    size_t bytes = 0;
    explicit Mapped(const string &path)
    {
        int fd = open(path.c_str(), O_RDONLY);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) != 0) {
            perror(path.c_str());
            exit(1);
        }
        bytes = (size_t)st.st_size;
        at = (T *)mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        close(fd);
    }
    ~Mapped() { munmap((void *)at, bytes); }
};

struct Set {
    string folder, metric;
    size_t dim, rows, queries;
    const float *base, *query;
    const uint32_t *truth;
};

std::map<string, string> args;

string arg(const char *key, const char *usual)
{
    auto it = args.find(key);
    return it == args.end() ? usual : it->second;
}

void check(lh_status status, const lh_error &err)
{
    if (status != LH_OK) {
        fprintf(stderr, "%s: %s\n", err.reason, err.text);
        exit(1);
    }
}

double resident()
{
    long pages = 0, ignore;
    FILE *f = fopen("/proc/self/statm", "r");
    if (fscanf(f, "%ld %ld", &ignore, &pages) != 2)
        pages = 0;
    fclose(f);
    return (double)pages * 4096;
}

// ---- an index of either kind ----

struct Index {
    virtual ~Index() = default;
    virtual const char *name() const = 0;
    virtual void build(const Set &s, size_t from, size_t to, unsigned threads) = 0;
    virtual void add(const Set &s, size_t row) = 0;
    virtual size_t search(const float *q, size_t ef, uint64_t *ids) = 0;
    virtual size_t filtered(const float *q, size_t ef, const vector<uint64_t> &bits, uint64_t *ids) { return 0; }
};

struct Ours : Index {
    lh_ann *ann = nullptr;
    const Set &set;
    explicit Ours(const Set &s) : set(s)
    {
        lh_ann_options o = {};
        lh_error err = {};
        o.dim = (uint32_t)s.dim;
        o.metric = s.metric == "l2" ? LH_ANN_L2 : LH_ANN_COSINE;
        o.degree = (uint32_t)std::stoul(arg("degree", "0"));
        o.ef_construction = (uint32_t)std::stoul(arg("efc", "0"));
        o.code = (lh_ann_code)std::stoul(arg("code", "0"));
        static string kernels = arg("kernels", "");
        o.kernels = kernels.empty() ? nullptr : kernels.c_str();
        check(lh_ann_new(&o, &ann, &err), err);
    }
    explicit Ours(const Set &s, lh_ann *a) : ann(a), set(s) {}
    ~Ours() override { lh_ann_free(ann); }
    const char *name() const override { return "ours"; }
    // keep=1: the index is saved beside the set, and opened from there the next time.
    bool reopen()
    {
        string path = set.folder + "/ours.kept";
        lh_ann *opened = nullptr;
        lh_error err = {};
        if (access(path.c_str(), R_OK) != 0)
            return false;
        kept.reset(new Mapped<uint8_t>(path));
        lh_ann_open_options o = {};
        static string kernels = arg("kernels", "");
        o.kernels = kernels.empty() ? nullptr : kernels.c_str();
        o.is_copied = true;
        check(lh_ann_open({kept->at, kept->bytes}, &o, &opened, &err), err);
        lh_ann_free(ann);
        ann = opened;
        return true;
    }
    std::unique_ptr<Mapped<uint8_t>> kept;
    void build(const Set &s, size_t from, size_t to, unsigned threads) override
    {
        lh_error err = {};
        vector<uint64_t> ids;
        for (size_t i = from; i < to; i++)
            ids.push_back(i);
        lh_ann_batch b = {ids.data(), s.base + from * s.dim, to - from, s.dim, threads, true};
        check(lh_ann_add_many(ann, &b, &err), err);
    }
    void add(const Set &s, size_t row) override
    {
        lh_error err = {};
        check(lh_ann_add(ann, row, s.base + row * s.dim, s.dim, &err), err);
    }
    size_t run(const float *q, size_t ef, const lh_ann_filter *filter, uint64_t *ids)
    {
        lh_ann_hit hits[K];
        lh_ann_report report;
        lh_ann_query query = {};
        lh_error err = {};
        query.k = K;
        query.ef = ef;
        query.filter = filter;
        check(lh_ann_search(ann, q, set.dim, &query, hits, &report, &err), err);
        for (size_t i = 0; i < report.count; i++)
            ids[i] = hits[i].id;
        return report.count;
    }
    size_t search(const float *q, size_t ef, uint64_t *ids) override { return run(q, ef, nullptr, ids); }
    size_t filtered(const float *q, size_t ef, const vector<uint64_t> &bits, uint64_t *ids) override
    {
        lh_ann_filter f = {};
        f.bits = bits.data();
        f.bit_count = bits.size() * 64;
        return run(q, ef, &f, ids);
    }
};

bool write_all(const lh_ann *ann, const string &path, double *seconds)
{
    lh_error err = {};
    FILE *f = fopen(path.c_str(), "wb");
    lh_ann_writer writer = {[](void *ctx, const void *ptr, size_t n, lh_error *e) {
                                return fwrite(ptr, 1, n, (FILE *)ctx) == n ? LH_OK : lh_fail(e, LH_IO, "io", "write");
                            },
                            f};
    double begin = now();
    check(lh_ann_save((lh_ann *)ann, &writer, &err), err);
    fclose(f);
    *seconds = now() - begin;
    return true;
}

struct Hnswlib : Index {
    std::unique_ptr<hnswlib::SpaceInterface<float>> space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
    explicit Hnswlib(const Set &s)
    {
        if (s.metric == "l2")
            space.reset(new hnswlib::L2Space(s.dim));
        else
            space.reset(new hnswlib::InnerProductSpace(s.dim));
        string path = s.folder + "/hnswlib.index";
        if (arg("cache", "0") == "1" && access(path.c_str(), R_OK) == 0)
            graph.reset(new hnswlib::HierarchicalNSW<float>(space.get(), path));
        else
            graph.reset(new hnswlib::HierarchicalNSW<float>(space.get(), s.rows + 1000, 16, 200));
    }
    const char *name() const override { return "hnswlib"; }
    void build(const Set &s, size_t from, size_t to, unsigned threads) override
    {
        if (graph->cur_element_count > 0)
            return;
        std::atomic<size_t> next(from);
        vector<std::thread> pool;
        for (unsigned t = 0; t < threads; t++)
            pool.emplace_back([&] {
                for (size_t i; (i = next++) < to;)
                    graph->addPoint(s.base + i * s.dim, i);
            });
        for (auto &t : pool)
            t.join();
        if (arg("cache", "0") == "1")
            graph->saveIndex(s.folder + "/hnswlib.index");
    }
    void add(const Set &s, size_t row) override { graph->addPoint(s.base + row * s.dim, row); }
    size_t search(const float *q, size_t ef, uint64_t *ids) override
    {
        if (graph->ef_ != ef)
            graph->setEf(ef);
        auto found = graph->searchKnn(q, K);
        size_t n = found.size();
        for (size_t i = n; i-- > 0; found.pop())
            ids[i] = found.top().second;
        return n;
    }
    size_t filtered(const float *q, size_t ef, const vector<uint64_t> &bits, uint64_t *ids) override
    {
        auto &g = *graph;
        auto allowed = [&](hnswlib::tableint i) {
            uint64_t id = g.getExternalLabel(i);
            return (bits[id / 64] >> (id % 64) & 1) != 0;
        };
        auto distance = [&](hnswlib::tableint i) {
            return g.fstdistfunc_(q, g.getDataByInternalId(i), g.dist_func_param_);
        };
        hnswlib::tableint at = g.enterpoint_node_;
        float near = distance(at);
        for (int level = g.maxlevel_; level > 0; level--)
            for (bool moved = true; moved;) {
                moved = false;
                unsigned int *list = g.get_linklist(at, level);
                int size = g.getListCount(list);
                auto *ids_of = (hnswlib::tableint *)(list + 1);
                for (int i = 0; i < size; i++) {
                    float d = distance(ids_of[i]);
                    if (d < near) {
                        near = d;
                        at = ids_of[i];
                        moved = true;
                    }
                }
            }
        using Pair = std::pair<float, hnswlib::tableint>;
        std::priority_queue<Pair> top, candidates;
        hnswlib::VisitedList *vl = g.visited_list_pool_->getFreeVisitedList();
        float bound = std::numeric_limits<float>::max();
        if (allowed(at)) {
            top.emplace(near, at);
            bound = near;
        }
        candidates.emplace(-near, at);
        vl->mass[at] = vl->curV;
        while (!candidates.empty()) {
            Pair c = candidates.top();
            if (-c.first > bound && top.size() == ef)
                break;
            candidates.pop();
            int *list = (int *)g.get_linklist0(c.second);
            size_t size = g.getListCount((hnswlib::linklistsizeint *)list);
            for (size_t j = 1; j <= size; j++) {
                auto node = (hnswlib::tableint)list[j];
                if (j < size)
                    __builtin_prefetch(g.getDataByInternalId((hnswlib::tableint)list[j + 1]));
                if (vl->mass[node] == vl->curV)
                    continue;
                vl->mass[node] = vl->curV;
                float d = distance(node);
                if (top.size() < ef || bound > d) {
                    candidates.emplace(-d, node);
                    if (allowed(node))
                        top.emplace(d, node);
                    if (top.size() > ef)
                        top.pop();
                    if (!top.empty())
                        bound = top.top().first;
                }
            }
        }
        g.visited_list_pool_->releaseVisitedList(vl);
        while (top.size() > K)
            top.pop();
        size_t n = top.size();
        for (size_t i = n; i-- > 0; top.pop())
            ids[i] = g.getExternalLabel(top.top().second);
        return n;
    }
};

#ifdef HAVE_FAISS
struct Faiss : Index {
    std::unique_ptr<faiss::IndexHNSWFlat> index;
    explicit Faiss(const Set &s)
        : index(new faiss::IndexHNSWFlat((int)s.dim, 16, s.metric == "l2" ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT))
    {
        index->hnsw.efConstruction = 200;
    }
    const char *name() const override { return "faiss"; }
    void build(const Set &s, size_t from, size_t to, unsigned threads) override
    {
        omp_set_num_threads((int)threads);
        index->add((faiss::Index::idx_t)(to - from), s.base + from * s.dim);
        omp_set_num_threads(1);
    }
    void add(const Set &s, size_t row) override { index->add(1, s.base + row * s.dim); }
    size_t search(const float *q, size_t ef, uint64_t *ids) override
    {
        float d[K];
        faiss::Index::idx_t found[K];
        index->hnsw.efSearch = (int)ef;
        index->search(1, q, (faiss::Index::idx_t)K, d, found);
        for (size_t i = 0; i < K; i++)
            ids[i] = (uint64_t)found[i];
        return K;
    }
};
#endif

// ---- measuring ----

struct Point {
    size_t ef;
    double recall, qps;
};

double recall_of(const Set &s, size_t query, const uint64_t *ids, size_t n)
{
    size_t agree = 0;
    for (size_t i = 0; i < K; i++)
        for (size_t j = 0; j < n; j++)
            agree += s.truth[query * TRUTH + i] == ids[j];
    return (double)agree / K;
}

Point measure(Index &index, const Set &s, size_t ef, unsigned threads = 1)
{
    vector<double> recall(threads, 0);
    vector<double> seconds(threads, 0);
    vector<std::thread> pool;
    auto run = [&](unsigned t) {
        uint64_t ids[K];
        double begin = cpu(CLOCK_THREAD_CPUTIME_ID);
        for (size_t q = t; q < s.queries; q += threads) {
            size_t n = index.search(s.query + q * s.dim, ef, ids);
            recall[t] += recall_of(s, q, ids, n);
        }
        seconds[t] = cpu(CLOCK_THREAD_CPUTIME_ID) - begin;
    };
    for (unsigned t = 1; t < threads; t++)
        pool.emplace_back(run, t);
    run(0);
    for (auto &t : pool)
        t.join();
    double sum = 0, longest = 0;
    for (unsigned t = 0; t < threads; t++) {
        sum += recall[t];
        longest = std::max(longest, seconds[t]);
    }
    return {ef, sum / (double)s.queries, (double)s.queries / longest};
}

// The smallest ef of a fine grid that reaches `recall`.
size_t ef_for(Index &index, const Set &s, double recall)
{
    size_t ef = K;
    while (ef < 2500 && measure(index, s, ef).recall < recall)
        ef = std::max(ef + 2, ef * 5 / 4);
    size_t low = std::max(K, ef * 4 / 5);
    for (size_t step = std::max<size_t>(1, (ef - low) / 8); low < ef; low += step)
        if (measure(index, s, low).recall >= recall)
            return low;
    return ef;
}

vector<size_t> parts_ef()
{
    vector<size_t> all;
    string text = arg("efs", "10,16,24,32,48,64,96,128,192,256,400,800");
    for (size_t at = 0; at < text.size(); at = text.find(',', at) == string::npos ? text.size() : text.find(',', at) + 1)
        all.push_back(std::stoul(text.substr(at)));
    return all;
}

void part_curve(Index &index, const Set &s, size_t rounds)
{
    for (size_t ef : parts_ef()) {
        Point best = measure(index, s, ef);
        for (size_t r = 1; r < rounds; r++)
            best.qps = std::max(best.qps, measure(index, s, ef).qps);
        printf("{\"part\":\"curve\",\"index\":\"%s\",\"ef\":%zu,\"recall\":%.4f,\"qps\":%.0f}\n", index.name(), ef, best.recall, best.qps);
        fflush(stdout);
    }
}

double median(vector<double> v)
{
    std::sort(v.begin(), v.end());
    return v.empty() ? 0 : v[v.size() / 2];
}

double percentile(vector<double> v, double p)
{
    std::sort(v.begin(), v.end());
    return v.empty() ? 0 : v[(size_t)((double)(v.size() - 1) * p)];
}

void part_search(vector<Index *> all, const Set &s, unsigned threads, size_t rounds)
{
    for (double wanted : {0.95, 0.99, 0.999}) {
        vector<size_t> ef;
        vector<vector<double>> qps(all.size());
        vector<double> recall(all.size());
        for (auto *i : all)
            ef.push_back(ef_for(*i, s, wanted));
        for (size_t r = 0; r < rounds; r++)
            for (size_t i = 0; i < all.size(); i++) {
                Point p = measure(*all[i], s, ef[i], threads);
                qps[i].push_back(p.qps);
                recall[i] = p.recall;
            }
        for (size_t i = 0; i < all.size(); i++)
            printf("{\"part\":\"search\",\"index\":\"%s\",\"threads\":%u,\"wanted\":%g,\"ef\":%zu,\"recall\":%.4f,\"qps\":%.0f}\n",
                   all[i]->name(), threads, wanted, ef[i], recall[i], median(qps[i]));
        fflush(stdout);
    }
}

vector<size_t> filtered_truth(const Set &s, size_t q, const vector<uint64_t> &bits, const vector<float> &norms)
{
    vector<std::pair<float, size_t>> all;
    const float *v = s.query + q * s.dim;
    for (size_t i = 0; i < s.rows; i++) {
        if (!(bits[i / 64] >> (i % 64) & 1))
            continue;
        float dot = 0;
        const float *x = s.base + i * s.dim;
        for (size_t j = 0; j < s.dim; j++)
            dot += x[j] * v[j];
        all.emplace_back((s.metric == "l2" ? norms[i] : 0) - 2 * dot, i);
    }
    size_t n = std::min(K, all.size());
    std::partial_sort(all.begin(), all.begin() + (ptrdiff_t)n, all.end());
    vector<size_t> ids;
    for (size_t i = 0; i < n; i++)
        ids.push_back(all[i].second);
    return ids;
}

// Each side at the smallest ef that serves 0.99, hnswlib's limited to where it takes 50 ms a query.
void part_filter(vector<Index *> all, const Set &s)
{
    size_t queries = std::min<size_t>(s.queries, 100);
    vector<float> norms(s.rows);
    for (size_t i = 0; i < s.rows; i++)
        for (size_t j = 0; j < s.dim; j++)
            norms[i] += s.base[i * s.dim + j] * s.base[i * s.dim + j];
    for (double share : {0.5, 0.2, 0.1, 0.04, 0.01, 0.001, 0.0001}) {
        vector<uint64_t> bits(s.rows / 64 + 1);
        std::mt19937_64 rng(7);
        for (size_t i = 0; i < s.rows; i++)
            if ((double)(rng() >> 11) * 0x1p-53 < share)
                bits[i / 64] |= 1ull << (i % 64);
        vector<vector<size_t>> truth;
        for (size_t q = 0; q < queries; q++)
            truth.push_back(filtered_truth(s, q, bits, norms));
        for (auto *index : all) {
            double recall = 0, qps = 0;
            size_t ef = string(index->name()) == "ours" ? 0 : K, used = 0;
            for (;; ef = std::max(ef + 2, ef * 3 / 2)) {
                double sum = 0, begin = cpu(CLOCK_THREAD_CPUTIME_ID);
                uint64_t ids[K];
                for (size_t q = 0; q < queries; q++) {
                    size_t n = index->filtered(s.query + q * s.dim, ef, bits, ids), agree = 0;
                    for (size_t id : truth[q])
                        for (size_t j = 0; j < n; j++)
                            agree += ids[j] == id;
                    sum += truth[q].empty() ? 1 : (double)agree / (double)truth[q].size();
                }
                qps = (double)queries / (cpu(CLOCK_THREAD_CPUTIME_ID) - begin);
                recall = sum / (double)queries;
                used = ef;
                if (recall >= 0.99 || qps < 20 || ef > 3000 || ef == 0)
                    break;
            }
            printf("{\"part\":\"filter\",\"index\":\"%s\",\"share\":%g,\"ef\":%zu,\"recall\":%.4f,\"qps\":%.1f}\n", index->name(),
                   share, used, recall, qps);
            fflush(stdout);
        }
    }
}

// One thread searches, one inserts the last tenth of the set; p99 of the searching thread's processor time beside that
// of the idle index before. hnswlib's readers wait for locks besides, which processor time does not show.
void part_insert(Index &index, const Set &s, size_t ef)
{
    size_t from = s.rows - s.rows / 10;
    index.build(s, 0, from, 2);
    auto latencies = [&](size_t count, const std::function<bool()> &stop) {
        vector<double> us;
        uint64_t ids[K];
        for (size_t q = 0; (count == 0 || q < count) && !stop(); q++) {
            double begin = cpu(CLOCK_THREAD_CPUTIME_ID);
            index.search(s.query + q % s.queries * s.dim, ef, ids);
            us.push_back((cpu(CLOCK_THREAD_CPUTIME_ID) - begin) * 1e6);
        }
        return us;
    };
    latencies(s.queries, [] { return false; });
    auto idle = latencies(4 * s.queries, [] { return false; });
    std::atomic<bool> done(false);
    double seconds = 0;
    size_t added = 0;
    std::thread writer([&] {
        double begin = now(), begin_cpu = cpu(CLOCK_THREAD_CPUTIME_ID);
        for (size_t i = from; i < s.rows && now() - begin < 15; i++, added++)
            index.add(s, i);
        seconds = cpu(CLOCK_THREAD_CPUTIME_ID) - begin_cpu;
        done = true;
    });
    auto busy = latencies(0, [&] { return done.load(); });
    writer.join();
    printf("{\"part\":\"insert\",\"index\":\"%s\",\"ef\":%zu,\"idle_p99_us\":%.1f,\"busy_p99_us\":%.1f,\"inserts_per_s\":%.0f,\"searches\":%zu}\n",
           index.name(), ef, percentile(idle, 0.99), percentile(busy, 0.99), (double)added / seconds, busy.size());
    fflush(stdout);
}

void part_file(Ours &ours, const Set &s)
{
    string path = s.folder + "/ours.index";
    lh_error err = {};
    double saved = 0;
    write_all(ours.ann, path, &saved);
    double begin = now();
    Mapped<uint8_t> file(path);
    lh_ann *ann = nullptr;
    check(lh_ann_open({file.at, file.bytes}, nullptr, &ann, &err), err);
    Ours again(s, ann);
    uint64_t ids[K];
    again.search(s.query, 0, ids);
    double opened = now() - begin;
    Point p = measure(again, s, 64), q = measure(ours, s, 64);
    printf("{\"part\":\"file\",\"save_s\":%.2f,\"open_ms\":%.1f,\"bytes\":%zu,\"qps_mapped\":%.0f,\"qps_memory\":%.0f,\"recall_mapped\":%.4f}\n",
           saved, opened * 1e3, file.bytes, p.qps, q.qps, p.recall);
    lh_ann_open_options o = {};
    o.is_copied = true;
    check(lh_ann_open({file.at, file.bytes}, &o, &ann, &err), err);
    Ours copied(s, ann);
    p = measure(copied, s, 64);
    printf("{\"part\":\"file\",\"qps_copied\":%.0f}\n", p.qps);
    fflush(stdout);
}

} // namespace

int main(int argc, char **argv)
{
    Set s;
    s.folder = argv[1];
    for (int i = 2; i < argc; i++) {
        string a = argv[i];
        args[a.substr(0, a.find('='))] = a.substr(a.find('=') + 1);
    }
    string meta;
    char line[1024];
    FILE *f = fopen((s.folder + "/meta.json").c_str(), "r");
    if (f == nullptr || fgets(line, sizeof(line), f) == nullptr)
        return 1;
    fclose(f);
    meta = line;
    auto number = [&](const char *key) { return std::stoul(meta.substr(meta.find(string("\"") + key + "\": ") + strlen(key) + 4)); };
    s.metric = meta.find("\"l2\"") != string::npos ? "l2" : "cosine";
    s.dim = number("dim");
    s.rows = number("rows");
    s.queries = std::min<size_t>(number("queries"), std::stoul(arg("queries", "2000")));
    Mapped<float> base(s.folder + "/base.f32"), query(s.folder + "/query.f32");
    Mapped<uint32_t> truth(s.folder + "/truth.u32");
    s.base = base.at;
    s.query = query.at;
    s.truth = truth.at;
    unsigned threads = (unsigned)std::stoul(arg("threads", "2"));
    size_t rounds = std::stoul(arg("rounds", "3"));
    string parts = "," + arg("parts", "build,search,threads,filter,insert,file") + ",";
    auto wants = [&](const char *part) { return parts.find(string(",") + part + ",") != string::npos; };
    // Pages of the floats are in memory for everybody before anything is timed.
    volatile float touch = 0;
    for (size_t i = 0; i < s.rows * s.dim; i += 1024)
        touch = touch + s.base[i];

    Ours ours(s);
    vector<std::unique_ptr<Index>> peers;
    if (arg("peer", "1") == "1")
        peers.emplace_back(new Hnswlib(s));
#ifdef HAVE_FAISS
    if (arg("faiss", "0") == "1")
        peers.emplace_back(new Faiss(s));
#endif
    vector<Index *> all = {&ours};
    for (auto &p : peers)
        all.push_back(p.get());
    for (auto *i : all) {
        double memory = resident(), begin = now(), begin_cpu = cpu(CLOCK_PROCESS_CPUTIME_ID);
        if (!(i == &ours && arg("keep", "0") == "1" && ours.reopen()))
            i->build(s, 0, s.rows, threads);
        double seconds = now() - begin, seconds_cpu = cpu(CLOCK_PROCESS_CPUTIME_ID) - begin_cpu;
        lh_ann_stats stats = {};
        lh_ann_stats_get(ours.ann, &stats);
        printf("{\"part\":\"build\",\"index\":\"%s\",\"seconds\":%.2f,\"cpu_s\":%.2f,\"bytes\":%.0f,\"links\":%.1f,\"kernels\":\"%s\"}\n", i->name(),
               seconds, seconds_cpu, (i == &ours ? (double)stats.bytes : resident() - memory) / (double)s.rows,
               (double)stats.links / (double)s.rows, stats.kernels);
        fflush(stdout);
    }
    double ignored;
    if (arg("keep", "0") == "1" && !ours.kept)
        write_all(ours.ann, s.folder + "/ours.kept", &ignored);
    if (wants("curve"))
        for (auto *i : all)
            part_curve(*i, s, rounds);
    if (wants("search"))
        part_search(all, s, 1, rounds);
    if (wants("threads"))
        part_search(all, s, threads, rounds);
    if (wants("filter"))
        part_filter({all.begin(), all.begin() + (ptrdiff_t)std::min<size_t>(all.size(), 2)}, s);
    if (wants("file"))
        part_file(ours, s);
    if (wants("insert")) {
        size_t ef[2];
        for (size_t i = 0; i < 2 && i < all.size(); i++)
            ef[i] = ef_for(*all[i], s, 0.99);
        peers.clear();
        Ours a(s);
        part_insert(a, s, ef[0]);
        if (all.size() > 1) {
            args["cache"] = "0";
            Hnswlib b(s);
            part_insert(b, s, ef[1]);
        }
    }
    return 0;
}
