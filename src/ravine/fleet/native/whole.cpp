// One phase of a rule's step over many tensors, a generated function for each shape, in place wherever the function allows it.
#include <cstdint>
#include <cstring>

typedef void (*Function)(long n, void* const* in, void* const* out, char* scratch, const void* kernels);

struct Form {  // what is the same for all tensors of a shape
    Function function;
    long piece;             // elements given to the function at a time
    long outputs;           // fields that it changes
    const long* field;      // of each output
    const long* spare;      // of each output, bytes into the spare memory, or -1 if it is written where it was read
    const long* bytes;      // of each output, for the whole tensor
    const uint8_t* is_row;  // of each field, whether it moves on with the pieces
};

// places: for each tensor its value, its gradient and its slots. in, out: the function's pointers, filled in here but for the scalars'. The
// terms of every piece, which the functions leave behind their other outputs, are added up in `totals`.
extern "C" __attribute__((visibility("default"))) void ravine_phase(long count, const Form* const* forms, const long* sizes,
                                                                    char* const* places, long fields, long terms, long element, void** in,
                                                                    void** out, double* values, double* totals, char* spare, char* scratch,
                                                                    const void* kernels) {
    for (long i = 0; i < count; ++i) {
        const Form& form = *forms[i];
        char* const* place = places + i * fields;
        for (long start = 0; start < sizes[i]; start += form.piece) {
            const long n = sizes[i] - start < form.piece ? sizes[i] - start : form.piece;
            for (long f = 0; f < fields; ++f) in[f] = place[f] + (form.is_row[f] ? start * element : 0);
            for (long o = 0; o < form.outputs; ++o) out[o] = form.spare[o] < 0 ? in[form.field[o]] : spare + form.spare[o];
            for (long t = 0; t < terms; ++t) out[form.outputs + t] = values + t;
            form.function(n, in, out, scratch, kernels);
            for (long o = 0; o < form.outputs; ++o)
                if (form.spare[o] >= 0 && form.is_row[form.field[o]]) memcpy(in[form.field[o]], out[o], n * element);
            for (long t = 0; t < terms; ++t) totals[t] += element == 4 ? *(const float*)(values + t) : values[t];
        }
        // What every piece reads as it was before the step: a number for the whole tensor, or a tensor that is read to its end.
        for (long o = 0; o < form.outputs; ++o)
            if (form.spare[o] >= 0 && !form.is_row[form.field[o]]) memcpy(place[form.field[o]], spare + form.spare[o], form.bytes[o]);
    }
}
