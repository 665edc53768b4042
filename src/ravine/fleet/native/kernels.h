// The kernels that a generated training step calls: products, convolutions and pooling of one lane, with shapes at run time.
//
// Every stride counts elements, never bytes. Scratch memory is given by the caller, aligned to 64 bytes; every other pointer needs only the
// alignment of its element. No kernel starts a thread or keeps state, so the bits of a result depend on descriptor and inputs alone.
#pragma once

#include <cstdint>

// c[z, i, j] (+)= sum over l of a[z, i, l] b[z, l, j]. Strides of a and b may be 0 (a shared operand); c must not overlap itself, a or b.
struct Product {
    long batch, m, n, k;
    long a_batch, a_m, a_k;
    long b_batch, b_k, b_n;
    long c_batch, c_m, c_n;
    int accumulate;  // 0: c = sum; 1: c += sum
};

// x (batch, in_channels, in_h, in_w), w (out_channels, in_channels / groups, kernel_h, kernel_w), y (batch, out_channels, out_h, out_w),
// all contiguous; padding with zeros on both sides, as torch.nn.functional.conv2d has it.
struct Convolution {
    long batch, groups, in_channels, out_channels, in_h, in_w, out_h, out_w;
    long kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
};

// planes = batch * channels. The last two fields matter to the average alone: whether padding counts as elements, and a divisor that
// replaces the count where it is not 0 (torch's divisor_override).
struct Pooling {
    long planes, in_h, in_w, out_h, out_w;
    long kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    int count_include_pad;
    long divisor;
};

template <class T>
struct Kernels {
    long (*product_scratch)(const Product*);  // bytes
    void (*product)(const Product*, const T* a, const T* b, T* c, void* scratch);
    long (*convolution_scratch)(const Convolution*);  // bytes, enough for each of the three
    void (*convolution)(const Convolution*, const T* x, const T* w, T* y, void* scratch);
    void (*convolution_input)(const Convolution*, const T* dy, const T* w, T* dx, void* scratch);
    void (*convolution_weight)(const Convolution*, const T* x, const T* dy, T* dw, void* scratch);
    // index is torch's: h * in_w + w within the plane. The first maximum wins, and NaN is greater than everything.
    void (*max_pool)(const Pooling*, const T* x, T* y, int64_t* index);
    void (*max_pool_input)(const Pooling*, const T* dy, const int64_t* index, T* dx);
    void (*average_pool)(const Pooling*, const T* x, T* y);  // dilation is 1
    void (*average_pool_input)(const Pooling*, const T* dy, T* dx);
};

extern "C" const Kernels<float>* ravine_kernels_f32();
extern "C" const Kernels<double>* ravine_kernels_f64();
