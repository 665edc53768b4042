// Convolutions of one lane without an im2col: an image is copied once into a padded frame, where the row of shifted image that belongs to
// (channel, kernel row, kernel column) is the frame itself from an offset on. Those offsets are the rows of b in a product with the
// weights (forward, and the input's gradient), or the rows of a in one with the output's gradient (the weights' gradient).
#pragma once

#include <algorithm>

#include "product.h"

namespace {

// With strides, places of one remainder stand together: stride_h * stride_w planes for each channel, so that neighbours in the output are
// neighbours in the frame whatever the stride.
struct Frame {
    long channels, h, w;          // of the image
    long pad_h, pad_w;            // zeros on every side
    long stride_h, stride_w;
    long height, width, plane, size;  // of the frame: a plane is one remainder of one channel
    Frame(long channels, long h, long w, long pad_h, long pad_w, long stride_h, long stride_w)
        : channels(channels), h(h), w(w), pad_h(pad_h), pad_w(pad_w), stride_h(stride_h), stride_w(stride_w),
          height((h + 2 * pad_h + stride_h - 1) / stride_h), width((w + 2 * pad_w + stride_w - 1) / stride_w),
          plane(height * width), size(channels * stride_h * stride_w * plane) {}
    // Of place (row, column) of the padded image.
    long offset(long channel, long row, long column) const {
        const long phase = (channel * stride_h + row % stride_h) * stride_w + column % stride_w;
        return phase * plane + row / stride_h * width + column / stride_w;
    }
};

constexpr long round_up(long value, long unit) { return (value + unit - 1) / unit * unit; }

// Pieces of the caller's scratch memory, each aligned to 64 bytes.
class Carver {
  public:
    explicit Carver(void* memory) : next_(static_cast<char*>(memory)) {}
    template <class T>
    T* take(long count) {
        T* piece = reinterpret_cast<T*>(next_);
        next_ += round_up(count * long(sizeof(T)), 64);
        return piece;
    }
    long used(const void* memory) const { return next_ - static_cast<const char*>(memory); }

  private:
    char* next_;
};

// Rows are short: a call of memcpy for each would cost more than the copy.
template <class T>
RAVINE_INLINE void copy_row(const T* source, T* target, long count) {
    constexpr int W = Simd<T>::W;
    if (count < W) {
        for (long j = 0; j < count; ++j) target[j] = source[j];
        return;
    }
    for (long j = 0; j + W < count; j += W) store(target + j, load(source + j));
    store(target + count - W, load(source + count - W));
}

template <class T, bool BACK>
RAVINE_INLINE void copy_steps(typename std::conditional<BACK, T, const T>::type* image, T* row, long count, long step) {
    for (long w = 0; w < count; w += step, ++row) {
        if constexpr (BACK) {
            image[w] = *row;
        } else {
            *row = image[w];
        }
    }
}

// The image into the frame, or back. Divisions are as dear as the copy of a row, so that only strides pay for them.
template <class T, bool BACK>
void copy_frame(const Frame f, typename std::conditional<BACK, T, const T>::type* image, T* frame) {
    const bool strides = f.stride_h * f.stride_w > 1;
    for (long channel = 0; channel < f.channels; ++channel) {
        T* row = frame + channel * f.plane + f.pad_h * f.width + f.pad_w;
        for (long h = 0; h < f.h; ++h, image += f.w, row += f.width) {
            for (long first = 0; strides && first < std::min(f.stride_w, f.w); ++first) {
                copy_steps<T, BACK>(image + first, frame + f.offset(channel, h + f.pad_h, first + f.pad_w), f.w - first, f.stride_w);
            }
            if constexpr (BACK) {
                if (!strides) copy_row<T>(row, image, f.w);
            } else {
                if (!strides) copy_row<T>(image, row, f.w);
            }
        }
    }
}

inline void fill_offsets(const Convolution& c, const Frame& f, long* offsets) {
    for (long channel = 0; channel < f.channels; ++channel) {
        for (long h = 0; h < c.kernel_h; ++h) {
            for (long w = 0; w < c.kernel_w; ++w) *offsets++ = f.offset(channel, h * c.dilation_h, w * c.dilation_w);
        }
    }
}

// Full vectors are read behind the last position of the last row.
template <class T>
constexpr long slack() {
    return 4 * Simd<T>::W;
}

// What a product of one group of one image reads, and where it writes.
template <class T>
struct Image {
    long out, k, out_h, out_w;
    const long* offsets;
    const T *frame, *w;
    T *scratch, *y;
};

// Row by row straight into y. The last two vectors of a row overlap so that they end with it.
template <class T>
void rows_of_image(const Frame f, const Image<T> at) {
    constexpr int W = Simd<T>::W;
    Panel<T> panel{at.k, at.w, at.k, 1, nullptr, 0, at.offsets, nullptr, at.out_h * at.out_w, 1, 0, 0, false};
    for (long h = 0; h < at.out_h; ++h) {
        for (long j = 0; j < at.out_w;) {
            const long left = at.out_w - j;
            const int nv = left > W ? 2 : 1;
            const long first = left < W ? at.out_w - W : j;
            panel.gap = left < 2 * W ? left - W : W;
            panel.b = at.frame + h * f.width + first;
            panel.c = at.y + h * at.out_w + first;
            panel.last = nv * W;
            run_panel<T, true>(panel, nv, at.out);
            j += nv * W;
        }
    }
}

// Positions are counted along the frame's rows, borders included, which are dropped on the way out.
template <class T>
void flat_image(const Frame f, const Image<T> at) {
    constexpr int W = Simd<T>::W;
    const long positions = (at.out_h - 1) * f.width + at.out_w;
    const int widest = at.out <= most_rows(4) ? 4 : 2;
    const bool direct = f.width == at.out_w;
    const long row = direct ? positions : round_up(positions, widest * W);
    Panel<T> panel{at.k, at.w, at.k, 1, nullptr, 0, at.offsets, nullptr, row, 1, 0, 0, false, 0, W};
    for (long j = 0; j < positions;) {
        const long vectors = (positions - j + W - 1) / W;
        const int nv = vectors >= 4 && widest == 4 ? 4 : vectors >= 2 ? 2 : 1;
        panel.b = at.frame + j;
        panel.c = (direct ? at.y : at.scratch) + j;
        panel.last = direct ? std::min<long>(nv * W, positions - j) : nv * W;
        run_panel<T, true>(panel, nv, at.out);
        j += nv * W;
    }
    for (long channel = 0; !direct && channel < at.out; ++channel) {
        const T* from = at.scratch + channel * row;
        T* to = at.y + channel * at.out_h * at.out_w;
        for (long h = 0; h < at.out_h; ++h, from += f.width, to += at.out_w) copy_row<T>(from, to, at.out_w);
    }
}

template <class T>
struct DenseScratch {
    long* offsets;
    T *frame, *rows;
};

template <class T>
DenseScratch<T> dense_scratch(const Frame& f, long out, long k, Carver& carver) {
    DenseScratch<T> s{carver.take<long>(k), nullptr, nullptr};
    s.frame = carver.take<T>(f.size + slack<T>());
    s.rows = carver.take<T>(out * round_up(f.plane, 4 * Simd<T>::W));
    return s;
}

// All images and groups, with weights (groups, out, k).
template <class T>
void dense_convolution(const Convolution& c, const Frame& f, long out, long out_h, long out_w, const T* x, const T* w, T* y,
                       Carver carver) {
    const long k = f.channels * c.kernel_h * c.kernel_w;
    const DenseScratch<T> s = dense_scratch<T>(f, out, k, carver);
    fill_offsets(c, f, s.offsets);
    std::memset(s.frame, 0, sizeof(T) * (f.size + slack<T>()));
    const long computed = round_up(out_w, Simd<T>::W);
    const bool by_rows = out_w >= Simd<T>::W && out > most_rows(4) && 4 * computed <= 5 * f.width && f.width > out_w;
    for (long image = 0; image < c.batch; ++image) {
        for (long group = 0; group < c.groups; ++group, x += f.channels * f.h * f.w, y += out * out_h * out_w) {
            copy_frame<T, false>(f, x, s.frame);
            const Image<T> at{out, k, out_h, out_w, s.offsets, s.frame, w + group * out * k, s.rows, y};
            by_rows ? rows_of_image(f, at) : flat_image(f, at);
        }
    }
}

// The input's gradient is a convolution of dy with the weights turned round, where there are no strides and no negative padding is needed.
inline bool is_dense_backwards(const Convolution& c) {
    return c.stride_h == 1 && c.stride_w == 1 && (c.kernel_h - 1) * c.dilation_h >= c.pad_h && (c.kernel_w - 1) * c.dilation_w >= c.pad_w;
}

inline Frame input_frame(const Convolution& c) {
    return {c.in_channels / c.groups, c.in_h, c.in_w, c.pad_h, c.pad_w, c.stride_h, c.stride_w};
}

inline Frame output_frame(const Convolution& c) {
    const long pad_h = (c.kernel_h - 1) * c.dilation_h - c.pad_h, pad_w = (c.kernel_w - 1) * c.dilation_w - c.pad_w;
    return {c.out_channels / c.groups, c.out_h, c.out_w, pad_h, pad_w, 1, 1};
}

// Rows of the output that are treated together where columns are made: they stay in the second-level cache.
template <class T>
long rows_together(const Convolution& c) {
    const long row = c.in_channels / c.groups * c.kernel_h * c.kernel_w * c.out_w * long(sizeof(T));
    return std::max(1L, std::min(c.out_h, 196608 / std::max(1L, row)));
}

// Columns of output rows [from, to), shape (k, positions), added where they belong in the frame.
template <class T>
void scatter_columns(const Convolution c, const Frame f, const long* offsets, long from, long to, T* frame, const T* columns) {
    const long k = f.channels * c.kernel_h * c.kernel_w;
    for (long l = 0; l < k; ++l) {
        for (long h = from; h < to; ++h, columns += c.out_w) {
            T* row = frame + offsets[l] + h * f.width;
            for (long w = 0; w < c.out_w; ++w) row[w] += columns[w];
        }
    }
}

template <class T>
struct Gathered {
    long k, outputs, inputs, together;
    long* offsets;
    T* frame;
    T* columns;
    void* product;
};

template <class T>
Gathered<T> gathered(const Convolution& c, const Frame& f, Carver& carver) {
    const long k = f.channels * c.kernel_h * c.kernel_w, together = rows_together<T>(c);
    Gathered<T> g{k, c.out_channels / c.groups, f.channels * f.h * f.w, together, carver.take<long>(k), nullptr, nullptr, nullptr};
    g.frame = carver.take<T>(f.size + slack<T>());
    g.columns = carver.take<T>(k * together * c.out_w);
    g.product = carver.take<char>(product_scratch<T>(nullptr));
    return g;
}

template <class T>
void strided_convolution_input(const Convolution& c, const T* dy, const T* w, T* dx, Carver carver) {
    const Frame f = input_frame(c);
    const Gathered<T> g = gathered<T>(c, f, carver);
    const long places = c.out_h * c.out_w;
    fill_offsets(c, f, g.offsets);
    for (long item = 0; item < c.batch * c.groups; ++item, dy += g.outputs * places) {
        std::memset(g.frame, 0, sizeof(T) * f.size);
        for (long from = 0; from < c.out_h; from += g.together) {
            const long to = std::min(from + g.together, c.out_h), n = (to - from) * c.out_w;
            const Product p{1, g.k, n, g.outputs, 0, 1, g.k, 0, places, 1, 0, n, 1, 0};
            product<T>(&p, w + item % c.groups * g.outputs * g.k, dy + from * c.out_w, g.columns, g.product);
            scatter_columns(c, f, g.offsets, from, to, g.frame, g.columns);
        }
        copy_frame<T, true>(f, dx, g.frame);
        dx += g.inputs;
    }
}

template <class T>
void turned_weights(const Convolution& c, const T* w, T* turned) {
    const long inputs = c.in_channels / c.groups, outputs = c.out_channels / c.groups, area = c.kernel_h * c.kernel_w;
    for (long group = 0; group < c.groups; ++group, turned += inputs * outputs * area) {
        for (long o = 0; o < outputs; ++o) {
            for (long i = 0; i < inputs; ++i, w += area) {
                for (long place = 0; place < area; ++place) turned[(i * outputs + o) * area + area - 1 - place] = w[place];
            }
        }
    }
}

// Without padding and strides a kernel of one element is a product that reads the images where they lie.
inline bool is_product(const Convolution& c) {
    return c.kernel_h * c.kernel_w == 1 && c.pad_h == 0 && c.pad_w == 0 && c.stride_h == 1 && c.stride_w == 1;
}

template <class T>
void pointwise_images(const Convolution& c, bool turned, const T* x, const T* w, T* y, void* scratch) {
    const long places = c.out_h * c.out_w, wide = c.out_channels / c.groups, narrow = c.in_channels / c.groups;
    const long from = turned ? wide : narrow, to = turned ? narrow : wide;
    const long image_from = c.groups * from * places, image_to = c.groups * to * places;
    const long w_to = turned ? 1 : narrow, w_from = turned ? narrow : 1;
    const Product p{c.batch, to, places, from, 0, w_to, w_from, image_from, places, 1, image_to, places, 1, 0};
    for (long group = 0; group < c.groups; ++group) {
        product<T>(&p, w + group * wide * narrow, x + group * from * places, y + group * to * places, scratch);
    }
}

template <class T>
void convolution(const Convolution* c, const T* x, const T* w, T* y, void* scratch) {
    if (is_product(*c)) return pointwise_images(*c, false, x, w, y, scratch);
    dense_convolution(*c, input_frame(*c), c->out_channels / c->groups, c->out_h, c->out_w, x, w, y, Carver(scratch));
}

template <class T>
void convolution_input(const Convolution* c, const T* dy, const T* w, T* dx, void* scratch) {
    if (is_product(*c)) return pointwise_images(*c, true, dy, w, dx, scratch);
    Carver carver(scratch);
    if (!is_dense_backwards(*c)) return strided_convolution_input(*c, dy, w, dx, carver);
    T* turned = carver.take<T>(c->out_channels * c->in_channels / c->groups * c->kernel_h * c->kernel_w);
    turned_weights(*c, w, turned);
    dense_convolution(*c, output_frame(*c), c->in_channels / c->groups, c->in_h, c->in_w, dy, turned, dx, carver);
}

}  // namespace
