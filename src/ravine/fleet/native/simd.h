// Vectors of the machine's width in GNU extensions, so that one text serves AVX-512, AVX2, SSE2 and NEON, in gcc and clang.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__AVX512F__)
#define RAVINE_VECTOR_BYTES 64
#elif defined(__AVX__)
#define RAVINE_VECTOR_BYTES 32
#else
#define RAVINE_VECTOR_BYTES 16
#endif

// Internal linkage: this text is compiled into several libraries of one process, at times for different instruction sets.
namespace {

// Registers bound the accumulators of a product; AVX2 and SSE2 have 16, AVX-512 and NEON 32.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int REGISTERS = 32;
#else
constexpr int REGISTERS = 16;
#endif

template <class T>
struct Simd;

template <>
struct Simd<float> {
    typedef float V __attribute__((vector_size(RAVINE_VECTOR_BYTES)));
    typedef float Unaligned __attribute__((vector_size(RAVINE_VECTOR_BYTES), aligned(4), may_alias));
    typedef int32_t Index;
    typedef Index I __attribute__((vector_size(RAVINE_VECTOR_BYTES)));
    static constexpr int W = RAVINE_VECTOR_BYTES / 4;
};

template <>
struct Simd<double> {
    typedef double V __attribute__((vector_size(RAVINE_VECTOR_BYTES)));
    typedef double Unaligned __attribute__((vector_size(RAVINE_VECTOR_BYTES), aligned(8), may_alias));
    typedef int64_t Index;
    typedef Index I __attribute__((vector_size(RAVINE_VECTOR_BYTES)));
    static constexpr int W = RAVINE_VECTOR_BYTES / 8;
};

template <class T>
using Vector = typename Simd<T>::V;

#define RAVINE_INLINE inline __attribute__((always_inline))

template <class T>
RAVINE_INLINE Vector<T> load(const T* source) {
    return *reinterpret_cast<const typename Simd<T>::Unaligned*>(source);
}

template <class T>
RAVINE_INLINE void store(T* target, Vector<T> value) {
    *reinterpret_cast<typename Simd<T>::Unaligned*>(target) = value;
}

// x - 0 is x to the bit for every x, so the compiler keeps only the broadcast.
template <class T>
RAVINE_INLINE Vector<T> splat(T value) {
    return value - Vector<T>{};
}

// The first `count` lanes, in pieces of halving size: a loop over lanes would cost as much as the sum before it.
template <class T>
RAVINE_INLINE void store_part(T* target, Vector<T> value, long count) {
    constexpr int W = Simd<T>::W;
    T lanes[W] __attribute__((aligned(64)));
    *reinterpret_cast<Vector<T>*>(lanes) = value;
    const T* from = lanes;
    if constexpr (W > 8) {
        if (count & 8) { std::memcpy(target, from, 8 * sizeof(T)); target += 8; from += 8; }
    }
    if constexpr (W > 4) {
        if (count & 4) { std::memcpy(target, from, 4 * sizeof(T)); target += 4; from += 4; }
    }
    if constexpr (W > 2) {
        if (count & 2) { std::memcpy(target, from, 2 * sizeof(T)); target += 2; from += 2; }
    }
    if (count & 1) *target = *from;
}

template <class T>
RAVINE_INLINE Vector<T> load_part(const T* source, long count) {
    constexpr int W = Simd<T>::W;
    T lanes[W] __attribute__((aligned(64))) = {};
    for (long j = 0; j < count; ++j) lanes[j] = source[j];
    return *reinterpret_cast<Vector<T>*>(lanes);
}

// Shuffles inside lanes of 128 bits, L elements each: 0, W, 1, W + 1 (low) or the upper halves (high); G elements move together.
template <int W, int L, int G, bool HIGH>
constexpr int zip_index(int j) {
    const int lane = j / L * L, within = j % L, pair = within / (2 * G), side = within / G % 2, rest = within % G;
    return side * W + lane + (HIGH ? L / 2 : 0) + pair * G + rest;
}

template <class T, int G, bool HIGH, int... J>
RAVINE_INLINE Vector<T> zip_lanes(Vector<T> x, Vector<T> y, std::integer_sequence<int, J...>) {
    constexpr int W = Simd<T>::W, L = 16 / sizeof(T);
    return __builtin_shufflevector(x, y, zip_index<W, L, G, HIGH>(J)...);
}

template <class T, int G, bool HIGH>
RAVINE_INLINE Vector<T> zip(Vector<T> x, Vector<T> y) {
    return zip_lanes<T, G, HIGH>(x, y, std::make_integer_sequence<int, Simd<T>::W>{});
}

// Blocks of S elements change places between two rows: one stage of a transposition.
template <class T, int S, bool SECOND, int... J>
RAVINE_INLINE Vector<T> swap_blocks(Vector<T> x, Vector<T> y, std::integer_sequence<int, J...>) {
    constexpr int W = Simd<T>::W;
    return __builtin_shufflevector(x, y, (SECOND ? ((J & S) ? W + J : J + S) : ((J & S) ? W + J - S : J))...);
}

template <class T, int S>
RAVINE_INLINE void transpose_stage(Vector<T> (&rows)[Simd<T>::W]) {
    constexpr int W = Simd<T>::W;
    constexpr auto all = std::make_integer_sequence<int, W>{};
    if constexpr (S < W) {
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i) {
            if (i & S) continue;
            const Vector<T> x = rows[i], y = rows[i + S];
            rows[i] = swap_blocks<T, S, false>(x, y, all);
            rows[i + S] = swap_blocks<T, S, true>(x, y, all);
        }
        transpose_stage<T, 2 * S>(rows);
    }
}

// W rows of W elements in registers become their columns: zips inside the lanes of 128 bits, then whole lanes change places.
template <class T>
RAVINE_INLINE void transpose(Vector<T> (&rows)[Simd<T>::W]) {
    constexpr int W = Simd<T>::W, L = 16 / sizeof(T);
    if constexpr (L == 4) {
#pragma GCC unroll 16
        for (int i = 0; i < W; i += 4) {
            const Vector<T> low0 = zip<T, 1, false>(rows[i], rows[i + 1]), high0 = zip<T, 1, true>(rows[i], rows[i + 1]);
            const Vector<T> low1 = zip<T, 1, false>(rows[i + 2], rows[i + 3]), high1 = zip<T, 1, true>(rows[i + 2], rows[i + 3]);
            rows[i] = zip<T, 2, false>(low0, low1);
            rows[i + 1] = zip<T, 2, true>(low0, low1);
            rows[i + 2] = zip<T, 2, false>(high0, high1);
            rows[i + 3] = zip<T, 2, true>(high0, high1);
        }
    } else {
#pragma GCC unroll 16
        for (int i = 0; i < W; i += 2) {
            const Vector<T> low = zip<T, 1, false>(rows[i], rows[i + 1]);
            rows[i + 1] = zip<T, 1, true>(rows[i], rows[i + 1]);
            rows[i] = low;
        }
    }
    transpose_stage<T, L>(rows);
}

template <class T, int S, int... J>
RAVINE_INLINE Vector<T> fold_lanes(Vector<T> x, std::integer_sequence<int, J...>) {
    return x + __builtin_shufflevector(x, x, (J ^ S)...);
}

template <class T, int S>
RAVINE_INLINE T sum_lanes(Vector<T> x) {
    if constexpr (S == 0) {
        return x[0];
    } else {
        return sum_lanes<T, S / 2>(fold_lanes<T, S>(x, std::make_integer_sequence<int, Simd<T>::W>{}));
    }
}

// The order of the additions is fixed: halves first.
template <class T>
RAVINE_INLINE T sum(Vector<T> x) {
    return sum_lanes<T, Simd<T>::W / 2>(x);
}

}  // namespace
