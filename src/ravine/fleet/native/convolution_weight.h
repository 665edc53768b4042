// The weights' gradient: for every image, rows of the frame at their offsets times dy with its channels on the vector axis.
#pragma once

#include "convolution.h"

namespace {

template <class T>
struct Places {
    long rows, columns;            // of the output
    long row_step;                 // between rows of places, in the frame
    const long* offsets;
    const T* frame;
    const T* dy;                   // (places, width), channels padded with zeros
    long width;
    T* sums;                       // (k, width)
};

template <class T, int R, int NV>
void weight_block(const Places<T>& p, long first, long blocks, long at) {
    constexpr int W = Simd<T>::W;
    for (; blocks > 0; --blocks, first += R) {
        Vector<T> sums[R][NV] = {};
        const T* dy = p.dy + at;
        for (long h = 0; h < p.rows; ++h) {
            const T* rows[R];
#pragma GCC unroll 12
            for (int i = 0; i < R; ++i) rows[i] = p.frame + p.offsets[first + i] + h * p.row_step;
            for (long w = 0; w < p.columns; ++w, dy += p.width) {
                Vector<T> values[NV];
#pragma GCC unroll 4
                for (int v = 0; v < NV; ++v) values[v] = load(dy + v * W);
#pragma GCC unroll 12
                for (int i = 0; i < R; ++i) {
                    const Vector<T> factor = splat<T>(rows[i][w]);
#pragma GCC unroll 4
                    for (int v = 0; v < NV; ++v) sums[i][v] += factor * values[v];
                }
            }
        }
#pragma GCC unroll 12
        for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) {
                T* target = p.sums + (first + i) * p.width + at + v * W;
                store(target, load(target) + sums[i][v]);
            }
        }
    }
}

template <class T>
using WeightBlock = void (*)(const Places<T>&, long, long, long);

template <class T, int NV, int... R>
RAVINE_INLINE WeightBlock<T> weight_block_of(long rows, std::integer_sequence<int, R...>) {
    static constexpr WeightBlock<T> table[] = {weight_block<T, R + 1, NV>...};
    return table[rows - 1];
}

template <class T, int NV>
void weight_panel(const Places<T>& p, long k, long at) {
    constexpr int MOST = most_rows(NV);
    constexpr auto heights = std::make_integer_sequence<int, MOST>{};
    const long blocks = (k + MOST - 1) / MOST, height = k / blocks, taller = k % blocks;
    if (taller) weight_block_of<T, NV>(height + 1, heights)(p, 0, taller, at);
    weight_block_of<T, NV>(height, heights)(p, taller * (height + 1), blocks - taller, at);
}

// Few channels of dy would leave the vector axis empty: places lie on it instead, and R rows are multiplied with one channel of dy.
// Behind the end of a row stand other places, which are blanked out rather than multiplied with zero, for they may be infinite.
template <class T, int R>
void narrow_block(const Places<T>& p, long first, long blocks, long) {
    constexpr int W = Simd<T>::W;
    typename Simd<T>::I lanes;
    for (int j = 0; j < W; ++j) lanes[j] = j;
    const long whole = p.columns / W * W, rest = p.columns - whole;
    const auto inside = lanes < typename Simd<T>::Index(rest);
    for (; blocks > 0; --blocks, first += R) {
        Vector<T> sums[R] = {};
        const T* dy = p.dy;
        for (long h = 0; h < p.rows; ++h, dy += p.columns) {
            const T* rows[R];
#pragma GCC unroll 12
            for (int i = 0; i < R; ++i) rows[i] = p.frame + p.offsets[first + i] + h * p.row_step;
            for (long w = 0; w < whole; w += W) {
                const Vector<T> value = load(dy + w);
#pragma GCC unroll 12
                for (int i = 0; i < R; ++i) sums[i] += load(rows[i] + w) * value;
            }
            if (rest == 0) continue;
            const bool is_safe = (p.rows - 1 - h) * p.columns + rest >= W;  // not beyond the end of dy
            const Vector<T> value = is_safe ? (inside ? load(dy + whole) : Vector<T>{}) : load_part(dy + whole, rest);
#pragma GCC unroll 12
            for (int i = 0; i < R; ++i) sums[i] += (inside ? load(rows[i] + whole) : Vector<T>{}) * value;
        }
        T totals[R];
        sums_of<T, R>(sums, totals);
#pragma GCC unroll 12
        for (int i = 0; i < R; ++i) p.sums[(first + i) * p.width] += totals[i];
    }
}

template <class T, int... R>
RAVINE_INLINE WeightBlock<T> narrow_block_of(long rows, std::integer_sequence<int, R...>) {
    static constexpr WeightBlock<T> table[] = {narrow_block<T, R + 1>...};
    return table[rows - 1];
}

// One image of one group, whose dy lies at `dy`, channel after channel.
template <class T>
void narrow_image(Places<T> p, long k, long outputs, const T* dy) {
    constexpr int MOST = 12;
    constexpr auto heights = std::make_integer_sequence<int, MOST>{};
    const long blocks = (k + MOST - 1) / MOST, height = k / blocks, taller = k % blocks;
    for (long o = 0; o < outputs; ++o, ++p.sums) {
        p.dy = dy + o * p.rows * p.columns;
        if (taller) narrow_block_of<T>(height + 1, heights)(p, 0, taller, 0);
        narrow_block_of<T>(height, heights)(p, taller * (height + 1), blocks - taller, 0);
    }
}

template <class T>
void wide_image(const Places<T>& p, long k, long outputs, const T* dy, T* packed) {
    constexpr int W = Simd<T>::W;
    const long places = p.rows * p.columns;
    pack_panel(dy, 1, places, places, outputs, p.width, packed);
    for (long at = 0; at < p.width;) {
        const bool two = p.width - at >= 2 * W;
        two ? weight_panel<T, 2>(p, k, at) : weight_panel<T, 1>(p, k, at);
        at += two ? 2 * W : W;
    }
}

template <class T>
struct WeightScratch {
    long k, outputs, width;
    long* offsets;
    T *frame, *dy, *sums;
};

template <class T>
WeightScratch<T> weight_scratch(const Convolution& c, Carver& carver) {
    const Frame f = input_frame(c);
    const long k = f.channels * c.kernel_h * c.kernel_w, outputs = c.out_channels / c.groups, width = round_up(outputs, Simd<T>::W);
    WeightScratch<T> s{k, outputs, width, carver.take<long>(k), nullptr, nullptr, nullptr};
    s.frame = carver.take<T>(f.size + slack<T>());
    s.dy = carver.take<T>(c.out_h * c.out_w * width);
    s.sums = carver.take<T>(k * width);
    return s;
}

template <class T>
void convolution_weight(const Convolution* given, const T* x, const T* dy, T* dw, void* scratch) {
    constexpr int W = Simd<T>::W;
    const Convolution c = *given;
    Carver carver(scratch);
    const Frame f = input_frame(c);
    const WeightScratch<T> s = weight_scratch<T>(c, carver);
    const long places = c.out_h * c.out_w, inputs = f.channels * f.h * f.w;
    fill_offsets(c, f, s.offsets);
    std::memset(s.frame, 0, sizeof(T) * (f.size + slack<T>()));
    const Places<T> p{c.out_h, c.out_w, f.width, s.offsets, s.frame, s.dy, s.width, s.sums};
    const bool narrow = 2 * s.outputs <= W;
    for (long group = 0; group < c.groups; ++group, dw += s.outputs * s.k) {
        std::memset(s.sums, 0, sizeof(T) * s.k * s.width);
        for (long image = 0; image < c.batch; ++image) {
            copy_frame<T, false>(f, x + (image * c.groups + group) * inputs, s.frame);
            const T* image_dy = dy + (image * c.groups + group) * s.outputs * places;
            narrow ? narrow_image(p, s.k, s.outputs, image_dy) : wide_image(p, s.k, s.outputs, image_dy, s.dy);
        }
        for (long o = 0; o < s.outputs; ++o) {
            for (long l = 0; l < s.k; ++l) dw[o * s.k + l] = s.sums[l * s.width + o];
        }
    }
}

template <class T>
long convolution_scratch(const Convolution* c) {
    const Frame in = input_frame(*c), out = output_frame(*c);
    const long area = c->kernel_h * c->kernel_w;
    Carver forward(nullptr), backward(nullptr), gather(nullptr), weight(nullptr);
    dense_scratch<T>(in, out.channels, in.channels * area, forward);
    backward.take<T>(c->out_channels * in.channels * area);
    if (is_dense_backwards(*c)) dense_scratch<T>(out, in.channels, out.channels * area, backward);
    gathered<T>(*c, in, gather);
    weight_scratch<T>(*c, weight);
    gather.take<char>(product_scratch<T>(nullptr));
    return std::max(std::max(forward.used(nullptr), backward.used(nullptr)), std::max(gather.used(nullptr), weight.used(nullptr)));
}

}  // namespace
