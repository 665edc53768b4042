// Blocks of a product that live in registers: R rows times NV vectors of columns, and dot products of R rows with C columns.
//
// A panel is NV vectors wide; its k rows of b are read with full vectors, so whoever builds one sees to it that they may be read.
#pragma once

#include "simd.h"

namespace {

// Row l of b begins at b + l * b_k, or at b + p.offsets[l] where a convolution finds its shifted images.
template <class T>
struct Panel {
    long k;
    const T* a;
    long a_m, a_k;
    const T* b;
    long b_k;
    const long* offsets;
    T* c;
    long c_m, c_n;
    long first, last;  // the columns of the panel that are written
    bool accumulate;
    long whole_rows = 0;  // rows before this one may be written to the panel's full width, since the rows behind them come later
    long gap = 0;  // with offsets: columns from one vector to the next, fewer than W where vectors overlap to end with a row
};

// Most rows of a block that is NV vectors wide: the accumulators, NV vectors of b and one broadcast must fit into the registers.
constexpr int most_rows(int nv) {
    return REGISTERS == 32 ? (nv == 4 ? 6 : 12) : (nv == 1 ? 12 : nv == 2 ? 6 : 3);
}

// A block whose columns are not all due, or not neighbours in c: out of line, for its code would be repeated in every block below.
template <class T>
__attribute__((noinline)) void write_spilled(const Panel<T>& p, T* target, const T* spilled, long rows, long width) {
    constexpr int W = Simd<T>::W;
    for (long i = 0; i < rows; ++i, target += p.c_m, spilled += width) {
        long j = p.first;
        if (p.c_n == 1) {
            for (; j + W <= p.last; j += W) store(target + j, p.accumulate ? load(target + j) + load(spilled + j) : load(spilled + j));
        }
        for (; j < p.last; ++j) target[j * p.c_n] = p.accumulate ? target[j * p.c_n] + spilled[j] : spilled[j];
    }
}

template <class T, int R, int NV>
RAVINE_INLINE void write_block(const Panel<T>& p, long row, long gap, T* target, const Vector<T> (&sums)[R][NV]) {
    constexpr int W = Simd<T>::W;
    if (p.c_n == 1 && p.first == 0 && (p.last == NV * W || row + R <= p.whole_rows)) {
        if (p.accumulate) {
#pragma GCC unroll 12
            for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
                for (int v = 0; v < NV; ++v) store(target + i * p.c_m + v * gap, load(target + i * p.c_m + v * gap) + sums[i][v]);
            }
        } else {
#pragma GCC unroll 12
            for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
                for (int v = 0; v < NV; ++v) store(target + i * p.c_m + v * gap, sums[i][v]);
            }
        }
        return;
    }
    T spilled[R * NV * W] __attribute__((aligned(64)));
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) *reinterpret_cast<Vector<T>*>(spilled + (i * NV + v) * W) = sums[i][v];
    }
    write_spilled<T>(p, target, spilled, R, NV * W);
}

// `blocks` blocks of R rows, beginning at `row`. Few accumulators would wait for one another: the sum over k is then split in two or four.
template <class T, int R, int NV, bool TABLE>
void block_rows(const Panel<T>& p, long row, long blocks) {
    constexpr int W = Simd<T>::W;
    constexpr int SPLIT = R * NV >= 6 ? 1 : R * NV >= 3 ? 2 : 4;
    for (; blocks > 0; --blocks, row += R) {
        Vector<T> sums[SPLIT][R][NV] = {};
        const T* a = p.a + row * p.a_m;
        const T* b = p.b;
        const long a_m = p.a_m, a_k = p.a_k, b_k = p.b_k, gap = TABLE ? p.gap : W;
        if (p.k >= 32 && p.c_n == 1) {  // the block's lines of c are fetched during the sum
#pragma GCC unroll 12
            for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
                for (int j = 0; j < NV * W; j += 64 / int(sizeof(T))) __builtin_prefetch(p.c + (row + i) * p.c_m + j, 1);
            }
        }
        const auto step = [&](int split, const T* line, const T* column) __attribute__((always_inline)) {
            Vector<T> values[NV];
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) values[v] = load(line + v * gap);
#pragma GCC unroll 12
            for (int i = 0; i < R; ++i) {
                const Vector<T> factor = splat<T>(column[i * a_m]);
#pragma GCC unroll 4
                for (int v = 0; v < NV; ++v) sums[split][i][v] += factor * values[v];
            }
        };
        long l = 0;
        for (; l + SPLIT <= p.k; l += SPLIT) {
#pragma GCC unroll 4
            for (int split = 0; split < SPLIT; ++split, a += a_k) step(split, TABLE ? b + p.offsets[l + split] : b + (l + split) * b_k, a);
        }
        for (; SPLIT > 1 && l < p.k; ++l, a += a_k) step(0, TABLE ? b + p.offsets[l] : b + l * b_k, a);
#pragma GCC unroll 12
        for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) {
                if constexpr (SPLIT == 4) sums[0][i][v] += sums[2][i][v], sums[1][i][v] += sums[3][i][v];
                if constexpr (SPLIT >= 2) sums[0][i][v] += sums[1][i][v];
            }
        }
        write_block<T, R, NV>(p, row, gap, p.c + row * p.c_m, sums[0]);
    }
}

template <class T>
using BlockRows = void (*)(const Panel<T>&, long row, long blocks);

template <class T, int NV, bool TABLE, int... R>
RAVINE_INLINE BlockRows<T> block_of(long rows, std::integer_sequence<int, R...>) {
    static constexpr BlockRows<T> table[] = {block_rows<T, R + 1, NV, TABLE>...};
    return table[rows - 1];
}

// All m rows of one panel, in blocks of nearly equal height: 64 rows are nine blocks of 6 and two of 5, not ten of 6 and one of 4.
template <class T, int NV, bool TABLE>
void run_panel(const Panel<T>& p, long m) {
    constexpr int MOST = most_rows(NV);
    constexpr auto heights = std::make_integer_sequence<int, MOST>{};
    const long blocks = (m + MOST - 1) / MOST, height = m / blocks, taller = m % blocks;
    if (taller) block_of<T, NV, TABLE>(height + 1, heights)(p, 0, taller);
    block_of<T, NV, TABLE>(height, heights)(p, taller * (height + 1), blocks - taller);
}

template <class T, bool TABLE>
RAVINE_INLINE void run_panel(const Panel<T>& p, int nv, long m) {
    nv == 1 ? run_panel<T, 1, TABLE>(p, m) : nv == 2 ? run_panel<T, 2, TABLE>(p, m) : run_panel<T, 4, TABLE>(p, m);
}

// Columns [0, columns) of k rows of b, as `width` elements a row with zeros behind: what block_rows reads with full vectors.
template <class T>
void pack_panel(const T* b, long b_k, long b_n, long k, long columns, long width, T* packed) {
    constexpr int W = Simd<T>::W;
    if (b_n == 1) {
        for (long l = 0; l < k; ++l, b += b_k, packed += width) {
            long j = 0;
            for (; j + W <= columns; j += W) *reinterpret_cast<Vector<T>*>(packed + j) = load(b + j);
            if (j < columns) *reinterpret_cast<Vector<T>*>(packed + j) = load_part(b + j, columns - j), j += W;
            for (; j < width; j += W) *reinterpret_cast<Vector<T>*>(packed + j) = Vector<T>{};
        }
        return;
    }
    for (long j = 0; j < width; j += W) {
        const long here = columns - j < W ? columns - j : W;
        long l = 0;
        for (; b_k == 1 && l + W <= k; l += W) {
            Vector<T> rows[W];
#pragma GCC unroll 16
            for (int i = 0; i < W; ++i) rows[i] = i < here ? load(b + (j + i) * b_n + l) : Vector<T>{};
            transpose<T>(rows);
#pragma GCC unroll 16
            for (int i = 0; i < W; ++i) *reinterpret_cast<Vector<T>*>(packed + (l + i) * width + j) = rows[i];
        }
        for (; l < k; ++l) {
            for (long i = 0; i < W; ++i) packed[l * width + j + i] = i < here ? b[l * b_k + (j + i) * b_n] : T(0);
        }
    }
}

// W sums at once: every stage adds the halves of two vectors and leaves one.
template <class T, int S, int COUNT>
RAVINE_INLINE Vector<T> merge_sums(const Vector<T>* vectors) {
    constexpr auto all = std::make_integer_sequence<int, Simd<T>::W>{};
    Vector<T> merged[COUNT / 2];
#pragma GCC unroll 8
    for (int i = 0; i < COUNT / 2; ++i) {
        const Vector<T> x = vectors[2 * i], y = vectors[2 * i + 1];
        merged[i] = swap_blocks<T, S, false>(x, y, all) + swap_blocks<T, S, true>(x, y, all);
    }
    if constexpr (COUNT == 2) {
        return merged[0];
    } else {
        return merge_sums<T, 2 * S, COUNT / 2>(merged);
    }
}

template <class T, int COUNT>
RAVINE_INLINE void sums_of(const Vector<T>* vectors, T* out) {
    constexpr int W = Simd<T>::W;
    if constexpr (COUNT >= W) {
        store(out, merge_sums<T, 1, W>(vectors));
        sums_of<T, COUNT - W>(vectors + W, out + W);
    } else if constexpr (COUNT > 0) {
        out[0] = sum<T>(vectors[0]);
        sums_of<T, COUNT - 1>(vectors + 1, out + 1);
    }
}

// R rows of a with C columns of b, both contiguous along k, which lies on the vector axis: nothing needs to be packed.
template <class T, int R, int C>
void dot_block(long k, const T* a, long a_m, const T* b, long b_n, T* c, long c_m, long c_n, bool accumulate) {
    constexpr int W = Simd<T>::W;
    Vector<T> sums[R * C] = {};
    const auto step = [&](auto read, long l) __attribute__((always_inline)) {
        Vector<T> rows[R];
#pragma GCC unroll 4
        for (int i = 0; i < R; ++i) rows[i] = read(a + i * a_m + l);
#pragma GCC unroll 8
        for (int j = 0; j < C; ++j) {
            const Vector<T> column = read(b + j * b_n + l);
#pragma GCC unroll 4
            for (int i = 0; i < R; ++i) sums[i * C + j] += rows[i] * column;
        }
    };
    long l = 0;
    for (; l + W <= k; l += W) step([](const T* source) __attribute__((always_inline)) { return load(source); }, l);
    if (l < k) step([&](const T* source) __attribute__((always_inline)) { return load_part(source, k - l); }, l);
    T totals[R * C];
    sums_of<T, R * C>(sums, totals);
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
        for (int j = 0; j < C; ++j) {
            T* target = c + i * c_m + j * c_n;
            *target = accumulate ? *target + totals[i * C + j] : totals[i * C + j];
        }
    }
}

}  // namespace
