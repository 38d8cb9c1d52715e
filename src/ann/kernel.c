#include "ann/kernel.h"

#include <string.h>

#if defined(__x86_64__)
static const struct ann_kernels *
best_find(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return &ann_kernels_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &ann_kernels_avx2;
    return &ann_kernels_plain;
}
#elif defined(__aarch64__)
static const struct ann_kernels *
best_find(void)
{
    return &ann_kernels_neon;
}
#else
static const struct ann_kernels *
best_find(void)
{
    return &ann_kernels_plain;
}
#endif

const struct ann_kernels *
ann_kernels_find(const char *name)
{
    const struct ann_kernels *best = best_find();

    if (name == NULL || strcmp(name, best->name) == 0)
        return best;
    if (strcmp(name, ann_kernels_plain.name) == 0)
        return &ann_kernels_plain;
#if defined(__x86_64__)
    if (strcmp(name, ann_kernels_avx2.name) == 0 && best == &ann_kernels_avx512)
        return &ann_kernels_avx2;
#endif
    return NULL;
}
