// Batched matrix products at any strides. One of three routes is taken, by an estimate of cycles from the shape alone:
// columns on the vector axis, rows on it (the same with the operands' roles exchanged), or the sum itself (dot products).
#pragma once

#include "kernels.h"
#include "panel.h"

namespace {

// Two vectors of b's columns for this many k stay in the first-level cache, with room for the rows of a that stream past.
constexpr long PANEL_BYTES = 16384;

template <class T>
constexpr long most_k() {
    return PANEL_BYTES / (2 * RAVINE_VECTOR_BYTES) > 192 ? PANEL_BYTES / (2 * RAVINE_VECTOR_BYTES) : 192;
}

template <class T>
constexpr long panel_bytes() {
    return 4 * RAVINE_VECTOR_BYTES * (most_k<T>() + 1);
}

inline Product exchanged(const Product& p) {
    return {p.batch, p.n, p.m, p.k, p.b_batch, p.b_n, p.b_k, p.a_batch, p.a_k, p.a_m, p.c_batch, p.c_n, p.c_m, p.accumulate};
}

// A batch that only one operand has is more rows of the same product.
inline void merge_batch(Product& p) {
    if (p.batch == 1) return;
    if (p.b_batch == 0 && p.a_batch == p.m * p.a_m && p.c_batch == p.m * p.c_m) {
        p.m *= p.batch;
        p.batch = 1;
    } else if (p.a_batch == 0 && p.b_batch == p.n * p.b_n && p.c_batch == p.n * p.c_n) {
        p.n *= p.batch;
        p.batch = 1;
    }
}

// Cycles of one product with columns on the vector axis: sums, stores, and the packing of b where it cannot be read as it lies.
template <class T>
double panel_cost(const Product& p) {
    constexpr int W = Simd<T>::W;
    const double vectors = double((p.n + W - 1) / W), sums = p.m * vectors * (0.5 * p.k + 1);
    const double stores = p.c_n == 1 ? 0 : 2.0 * p.m * p.n;
    const double moved = p.b_k == 1 ? vectors * W / 3 : p.b_n == 1 ? 3 * vectors : double(p.n);
    const double packing = p.b_n == 1 && p.n >= W ? 0 : p.k * moved;
    return sums + stores + packing;
}

template <class T>
double dot_cost(const Product& p) {
    constexpr int W = Simd<T>::W;
    return double(p.m) * p.n * (0.55 * ((p.k + W - 1) / W) + 3) + (p.k % W ? 4.0 * (p.m + p.n) : 0);
}

template <class T, int R>
void dot_rows(const Product& p, const T* a, const T* b, T* c) {
    const bool accumulate = p.accumulate;
    long j = 0;
    if constexpr (R == 1) {
        for (; j + 8 <= p.n; j += 8) dot_block<T, 1, 8>(p.k, a, p.a_m, b + j * p.b_n, p.b_n, c + j * p.c_n, p.c_m, p.c_n, accumulate);
    }
    for (; j + 4 <= p.n; j += 4) dot_block<T, R, 4>(p.k, a, p.a_m, b + j * p.b_n, p.b_n, c + j * p.c_n, p.c_m, p.c_n, accumulate);
    for (; j < p.n; ++j) dot_block<T, R, 1>(p.k, a, p.a_m, b + j * p.b_n, p.b_n, c + j * p.c_n, p.c_m, p.c_n, accumulate);
}

template <class T>
void dot_product(const Product& given, const T* a, const T* b, T* c) {
    const bool exchange = given.n < given.m && given.n < 4;
    const Product p = exchange ? exchanged(given) : given;
    if (exchange) std::swap(a, b);
    long i = 0;
    for (; i + 3 <= p.m; i += 3) dot_rows<T, 3>(p, a + i * p.a_m, b, c + i * p.c_m);
    if (p.m - i == 2) dot_rows<T, 2>(p, a + i * p.a_m, b, c + i * p.c_m);
    if (p.m - i == 1) dot_rows<T, 1>(p, a + i * p.a_m, b, c + i * p.c_m);
}

// Part [from, from + k) of the sum, for all panels. The last panel may begin earlier than the one before it ends, rather than read
// beyond b: it then writes the same values again, or adds only to the columns that are still due.
template <class T>
void run_panels(const Product& p, long from, long k, const T* a, const T* b, T* c, bool packs, T* packed) {
    constexpr int W = Simd<T>::W;
    const int widest = p.m <= most_rows(4) / 2 && p.n > 2 * W ? 4 : 2;
    Panel<T> panel{k, a + from * p.a_k, p.a_m, p.a_k, nullptr, p.b_k, nullptr, nullptr, p.c_m, p.c_n, 0, 0, p.accumulate || from > 0};
    b += from * p.b_k;
    for (long j = 0; j < p.n;) {
        const long left = p.n - j, vectors = (left + W - 1) / W;
        int nv = vectors >= 4 && widest == 4 ? 4 : vectors >= 2 ? 2 : 1;
        if (!packs && p.n < nv * W) nv = 1;
        const long width = nv * W, columns = left < width ? left : width;
        const long start = packs || left >= width ? j : p.n - width;
        panel.first = panel.accumulate ? j - start : 0;
        panel.last = j - start + columns;
        panel.c = c + start * p.c_n;
        panel.b = b + start * p.b_n;
        if (packs) {
            pack_panel(b + j * p.b_n, p.b_k, p.b_n, k, columns, width, packed);
            panel.b = packed;
            panel.b_k = width;
        }
        const bool dense = width >= p.n && p.c_m == p.n && !panel.accumulate;
        panel.whole_rows = dense ? p.m - (width + p.n - 1) / p.n + 1 : 0;
        run_panel<T, false>(panel, nv, p.m);
        j += columns;
    }
}

template <class T>
long product_scratch(const Product*) {
    return panel_bytes<T>();
}

template <class T>
void fill_zero(const Product& p, T* c) {
    for (long z = 0; z < p.batch; ++z) {
        for (long i = 0; i < p.m; ++i) {
            for (long j = 0; j < p.n; ++j) c[z * p.c_batch + i * p.c_m + j * p.c_n] = 0;
        }
    }
}

template <class T>
void product(const Product* given, const T* a, const T* b, T* c, void* scratch) {
    constexpr int W = Simd<T>::W;
    Product p = *given;
    if (p.batch == 0 || p.m == 0 || p.n == 0) return;
    if (p.k == 0) return p.accumulate ? void() : fill_zero(p, c);
    merge_batch(p);
    const Product other = exchanged(p);
    const double columns = panel_cost<T>(p), rows = panel_cost<T>(other);
    if (p.a_k == 1 && p.b_k == 1 && dot_cost<T>(p) < (columns < rows ? columns : rows)) {
        for (long z = 0; z < p.batch; ++z) dot_product(p, a + z * p.a_batch, b + z * p.b_batch, c + z * p.c_batch);
        return;
    }
    if (rows < columns) {
        p = other;
        std::swap(a, b);
    }
    const bool far = p.b_k * long(sizeof(T)) >= 1024 && p.m >= 4 * most_rows(2);
    const bool packs = p.b_n != 1 || p.n < W || far;
    const long parts = (p.k + most_k<T>() - 1) / most_k<T>();
    for (long z = 0; z < p.batch; ++z) {
        for (long part = 0; part < parts; ++part) {
            const long from = p.k * part / parts, to = p.k * (part + 1) / parts;
            run_panels(p, from, to - from, a + z * p.a_batch, b + z * p.b_batch, c + z * p.c_batch, packs, static_cast<T*>(scratch));
        }
    }
}

}  // namespace
