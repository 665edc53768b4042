// Pooling, forward and backward, with torch's rules: the first maximum wins, and NaN is greater than everything.
#pragma once

#include <algorithm>
#include <limits>

#include "kernels.h"
#include "simd.h"

namespace {

template <class T>
RAVINE_INLINE void max_window(const Pooling& p, const T* x, long i, long j, T* y, int64_t* index) {
    long h0 = i * p.stride_h - p.pad_h, w0 = j * p.stride_w - p.pad_w;
    const long h1 = std::min(h0 + (p.kernel_h - 1) * p.dilation_h + 1, p.in_h);
    const long w1 = std::min(w0 + (p.kernel_w - 1) * p.dilation_w + 1, p.in_w);
    while (h0 < 0) h0 += p.dilation_h;
    while (w0 < 0) w0 += p.dilation_w;
    T most = -std::numeric_limits<T>::infinity();
    int64_t where = h0 * p.in_w + w0;
    for (long h = h0; h < h1; h += p.dilation_h) {
        for (long w = w0; w < w1; w += p.dilation_w) {
            const T value = x[h * p.in_w + w];
            const bool takes = value > most || value != value;
            most = takes ? value : most;
            where = takes ? h * p.in_w + w : where;
        }
    }
    *y = most;
    *index = where;
}

// Windows of 2 x 2 side by side, W at a time.
template <class T, int... J>
RAVINE_INLINE void max_pairs(const T* x, long row, long first, T* y, int64_t* index, std::integer_sequence<int, J...>) {
    constexpr int W = Simd<T>::W;
    typedef typename Simd<T>::Index Index;
    typedef typename Simd<T>::I Place;
    typedef int64_t Wide __attribute__((vector_size(8 * W), aligned(8), may_alias));
    const Place even = Place{J...} * 2 + Index(first);
    Vector<T> most;
    Place where = even;
#pragma GCC unroll 4
    for (int at = 0; at < 4; ++at) {
        const T* from = x + at / 2 * row;
        const Vector<T> left = load(from), right = load(from + W);
        const Vector<T> evens = __builtin_shufflevector(left, right, (2 * J)...);
        const Vector<T> odds = __builtin_shufflevector(left, right, (2 * J + 1)...);
        const Vector<T> value = at % 2 ? odds : evens;
        const Place takes = at == 0 ? Place{} - 1 : (value > most) | (value != value);
        most = at == 0 ? value : takes ? value : most;
        where = takes ? even + Index(at / 2 * row + at % 2) : where;
    }
    store(y, most);
    *reinterpret_cast<Wide*>(index) = __builtin_convertvector(where, Wide);
}

// A vector may reach beyond its row: what it writes there is overwritten by the rows that follow, as long as there are any.
template <class T>
void max_pool(const Pooling* given, const T* x, T* y, int64_t* index) {
    constexpr int W = Simd<T>::W;
    const Pooling p = *given;
    const bool is_paired = p.kernel_h == 2 && p.kernel_w == 2 && p.stride_h == 2 && p.stride_w == 2 && p.pad_h + p.pad_w == 0 &&
                           p.dilation_h * p.dilation_w == 1 && 2 * p.out_h <= p.in_h && 2 * p.out_w <= p.in_w && p.in_h * p.in_w < 1L << 31;
    const T* const end = x + p.planes * p.in_h * p.in_w;
    const T* const last = y + p.planes * p.out_h * p.out_w;
    for (long plane = 0; plane < p.planes; ++plane, x += p.in_h * p.in_w) {
        for (long i = 0; i < p.out_h; ++i, y += p.out_w, index += p.out_w) {
            const T* row = x + 2 * i * p.in_w;
            for (long j = 0; j < p.out_w;) {
                if (is_paired && end - (row + p.in_w + 2 * j) >= 2 * W && last - (y + j) >= W) {
                    max_pairs<T>(row + 2 * j, p.in_w, 2 * i * p.in_w + 2 * j, y + j, index + j, std::make_integer_sequence<int, W>{});
                    j += W;
                } else {
                    max_window(p, x, i, j, y + j, index + j);
                    ++j;
                }
            }
        }
    }
}

template <class T>
void max_pool_input(const Pooling* p, const T* dy, const int64_t* index, T* dx) {
    const long inside = p->in_h * p->in_w, outside = p->out_h * p->out_w;
    std::memset(dx, 0, sizeof(T) * p->planes * inside);
    for (long plane = 0; plane < p->planes; ++plane, dx += inside, dy += outside, index += outside) {
        for (long i = 0; i < outside; ++i) dx[index[i]] += dy[i];
    }
}

struct Window {
    long h0, h1, w0, w1;
    double count;
};

// What torch divides by: the whole window up to the padded border, or only its elements inside the image.
inline Window window_of(const Pooling& p, long i, long j) {
    Window at{i * p.stride_h - p.pad_h, 0, j * p.stride_w - p.pad_w, 0, 0};
    at.h1 = std::min(at.h0 + p.kernel_h, p.in_h + p.pad_h);
    at.w1 = std::min(at.w0 + p.kernel_w, p.in_w + p.pad_w);
    const long padded = (at.h1 - at.h0) * (at.w1 - at.w0);
    at.h0 = std::max(at.h0, 0L);
    at.w0 = std::max(at.w0, 0L);
    at.h1 = std::min(at.h1, p.in_h);
    at.w1 = std::min(at.w1, p.in_w);
    at.count = p.divisor ? p.divisor : p.count_include_pad ? padded : (at.h1 - at.h0) * (at.w1 - at.w0);
    return at;
}

template <class T>
void average_pool(const Pooling* p, const T* x, T* y) {
    for (long plane = 0; plane < p->planes; ++plane, x += p->in_h * p->in_w) {
        for (long i = 0; i < p->out_h; ++i) {
            for (long j = 0; j < p->out_w; ++j) {
                const Window at = window_of(*p, i, j);
                T total = 0;
                for (long h = at.h0; h < at.h1; ++h) {
                    for (long w = at.w0; w < at.w1; ++w) total += x[h * p->in_w + w];
                }
                *y++ = at.h0 < at.h1 && at.w0 < at.w1 ? total / T(at.count) : T(0);
            }
        }
    }
}

template <class T>
void average_pool_input(const Pooling* p, const T* dy, T* dx) {
    std::memset(dx, 0, sizeof(T) * p->planes * p->in_h * p->in_w);
    for (long plane = 0; plane < p->planes; ++plane, dx += p->in_h * p->in_w) {
        for (long i = 0; i < p->out_h; ++i) {
            for (long j = 0; j < p->out_w; ++j) {
                const Window at = window_of(*p, i, j);
                const T share = *dy++ / T(at.count);
                for (long h = at.h0; h < at.h1; ++h) {
                    for (long w = at.w0; w < at.w1; ++w) dx[h * p->in_w + w] += share;
                }
            }
        }
    }
}

}  // namespace
