/* Convolutions and dense layers as sums of products: where the time goes. */

/* Sums of products for a list of pixels that find their terms in the same pattern. */
typedef struct {
    int32_t pixels, terms, *base, *place, *offsets; /* base: a pixel's inputs; place: its outputs; offsets: of terms */
    int32_t first_row, rows, first_column, columns, *source; /* backward: the taps; where the kernel has each term */
    float *weights;
} Products;

/* A convolution: its products, and those of its gradient, in parts that see the same taps of the kernel. */
typedef struct {
    Products forward, *backward;
    int parts;
} Plan;

/* y[place[a]][b] = bias[b] + sum over the terms k of x[base[a] + offsets[k]] * weights[k][b] */
INLINE void product_block(const int A, const int B, const Products *list, int first, const Vec *x, const float *weights,
                          int stride, const float *bias, Vec *y) {
    Vec sum[WIDEST][WIDEST];
    const Vec *at[WIDEST];
    const int32_t *offsets = list->offsets, terms = list->terms;
    EACH(a, A) at[a] = x + list->base[first + a];
    EACH(b, B) EACH(a, A) sum[a][b] = splat(bias ? bias[b] : 0.0f);
    for (int k = 0; k < terms; k++, weights += stride) {
        Vec in[WIDEST];
        EACH(a, A) in[a] = at[a][offsets[k]];
        EACH(b, B) EACH(a, A) sum[a][b] += in[a] * weights[b];
    }
    EACH(a, A) EACH(b, B) y[list->place[first + a] + b] = sum[a][b];
}

/* lanes[a][b] += sum over the pixels p of x[base[p] + offsets[a]] * dy[p][b] */
INLINE void kernel_block(const int A, const int B, const Products *list, int first, const Vec *x, const Vec *dy,
                         int channels, Vec *lanes, int stride) {
    const int32_t *offsets = list->offsets + first;
    Vec sum[WIDEST][WIDEST];
    EACH(a, A) EACH(b, B) sum[a][b] = (Vec){0};
    for (int p = 0; p < list->pixels; p++, dy += channels) {
        const Vec *at = x + list->base[p];
        EACH(a, A) {
            Vec in = at[offsets[a]];
            EACH(b, B) sum[a][b] += in * dy[b];
        }
    }
    EACH(a, A) EACH(b, B) lanes[a * stride + b] += sum[a][b];
}

typedef void Product(const Products *, const Vec *, const float *, int, const float *, Vec *);
typedef void Kernel(const Products *, const Vec *, const Vec *, int, Vec *, int);

/* The blocks of B columns, A rows at a time as long as there are as many: sums that fit in the registers. */
#define BLOCKS(B, A)                                                                                                   \
    static void product_##B(const Products *list, const Vec *x, const float *weights, int stride, const float *bias,   \
                            Vec *y) {                                                                                  \
        int p = 0;                                                                                                     \
        for (; p + A <= list->pixels; p += A)                                                                          \
            product_block(A, B, list, p, x, weights, stride, bias, y);                                                 \
        for (; p < list->pixels; p++)                                                                                  \
            product_block(1, B, list, p, x, weights, stride, bias, y);                                                 \
    }                                                                                                                  \
    static void kernel_##B(const Products *list, const Vec *x, const Vec *dy, int channels, Vec *lanes, int stride) {  \
        int k = 0;                                                                                                     \
        for (; k + A <= list->terms; k += A)                                                                           \
            kernel_block(A, B, list, k, x, dy, channels, lanes + k * stride, stride);                                  \
        for (; k < list->terms; k++)                                                                                   \
            kernel_block(1, B, list, k, x, dy, channels, lanes + k * stride, stride);                                  \
    }

#if WIDEST == 8
BLOCKS(1, 8) BLOCKS(2, 8) BLOCKS(3, 8) BLOCKS(4, 6) BLOCKS(5, 4) BLOCKS(6, 4) BLOCKS(7, 3) BLOCKS(8, 3)
#define TABLE(name) {0, name##_1, name##_2, name##_3, name##_4, name##_5, name##_6, name##_7, name##_8}
#else
BLOCKS(1, 4) BLOCKS(2, 2) BLOCKS(3, 2) BLOCKS(4, 1)
#define TABLE(name) {0, name##_1, name##_2, name##_3, name##_4}
#endif

static Product *const product_by_width[] = TABLE(product);
static Kernel *const kernel_by_width[] = TABLE(kernel);

/* The width of blocks of about equal size that cover n. */
INLINE int block_width(int n) {
    int blocks = (n + WIDEST - 1) / WIDEST;
    return (n + blocks - 1) / blocks;
}

/* All products of a list with the columns of `weights`, for `width` columns. */
static void multiply(const Products *list, const Vec *x, const float *weights, int stride, int width, const float *bias,
                     Vec *y) {
    int block = block_width(width);
    for (int b = 0; b < width; b += block)
        product_by_width[smaller(block, width - b)](list, x, weights + b, stride, bias ? bias + b : NULL, y + b);
}

/* A convolution is a product for each group of channels; a dense layer has one pixel, a depthwise one many groups. */
static void convolve(const Operation *op, const Plan *plan, const float *weights, const Vec *x, Vec *y) {
    int inputs = op->channels / op->groups, outputs = op->out_channels / op->groups;
    for (int g = 0; g < op->groups; g++)
        multiply(&plan->forward, x + g * inputs, weights + op->kernel + g * outputs, op->out_channels, outputs,
                 op->bias < 0 ? NULL : weights + op->bias + g * outputs, y + g * outputs);
}

static void convolve_backward(const Operation *op, const Plan *plan, const Vec *x, const Vec *dy, Vec *dx, Vec *lanes) {
    int channels = op->out_channels, inputs = op->channels / op->groups, outputs = channels / op->groups;
    int block = block_width(outputs);
    for (int g = 0; g < op->groups; g++) {
        for (int o = g * outputs, end = o + outputs; o < end; o += block)
            kernel_by_width[smaller(block, end - o)](&plan->forward, x + g * inputs, dy + o, channels,
                                                     lanes + op->kernel + o, channels);
        for (int i = 0; dx && i < plan->parts; i++) {
            const Products *part = &plan->backward[i];
            multiply(part, dy + g * outputs, part->weights + g * part->terms * inputs, inputs, inputs, NULL,
                     dx + g * inputs);
        }
    }
    for (int p = 0; op->bias >= 0 && p < plan->forward.pixels; p++)
        for (int o = 0; o < channels; o++)
            lanes[op->bias + o] += dy[p * channels + o];
}

static void free_products(Products *list) {
    free(list->base);
    free(list->place);
    free(list->offsets);
    free(list->source);
    free(list->weights);
}

/* Room for the places of so many pixels and terms; 0 where memory is missing. */
static int allocate_products(Products *list, int pixels, int terms, int weights) {
    list->terms = terms;
    list->base = allocate(sizeof(int32_t) * pixels);
    list->place = allocate(sizeof(int32_t) * pixels);
    list->offsets = allocate(sizeof(int32_t) * terms);
    list->source = allocate(sizeof(int32_t) * terms);
    list->weights = allocate(sizeof(float) * weights);
    return list->base && list->place && list->offsets && list->source && list->weights;
}

/* Where the outputs of a convolution find their inputs. */
static int plan_forward(const Operation *op, Products *list) {
    int inputs = op->channels / op->groups;
    if (!allocate_products(list, op->out_rows * op->out_columns, op->window_rows * op->window_columns * inputs, 0))
        return 0;
    list->pixels = op->out_rows * op->out_columns;
    for (int p = 0; p < list->pixels; p++) {
        int row = p / op->out_columns * op->row_stride, column = p % op->out_columns * op->column_stride;
        list->base[p] = (row * op->columns + column) * op->channels;
        list->place[p] = p * op->out_channels;
    }
    for (int k = 0; k < list->terms; k++) {
        int row = k / inputs / op->window_columns, column = k / inputs % op->window_columns;
        list->offsets[k] = (row * op->columns + column) * op->channels + k % inputs;
    }
    return 1;
}

/* The taps first, first + stride ... of a window, along one axis, through which outputs see input i: how many. */
static int count_taps(int i, int window, int stride, int outputs, int *first) {
    int low = i - (outputs - 1) * stride, last = smaller(window - 1, i);
    *first = low > 0 ? low : i % stride;
    return *first > last ? (*first = 0) : (last - *first) / stride + 1;
}

/* A new part of the backward products, for these taps. */
static int plan_part(const Operation *op, Products *list, const int key[4]) {
    int inputs = op->channels / op->groups, outputs = op->out_channels / op->groups, taps = key[1] * key[3];
    if (!allocate_products(list, op->rows * op->columns, taps * outputs, taps * outputs * op->channels))
        return 0;
    for (int k = 0; k < list->terms; k++) {
        int row = k / outputs / key[3], column = k / outputs % key[3], o = k % outputs;
        int tap = (key[0] + row * op->row_stride) * op->window_columns + key[2] + column * op->column_stride;
        list->offsets[k] = o - (row * op->out_columns + column) * op->out_channels;
        list->source[k] = tap * inputs * op->out_channels + o;
    }
    list->first_row = key[0], list->rows = key[1], list->first_column = key[2], list->columns = key[3];
    return 1;
}

/* Where the gradient of each input pixel finds the gradients of the outputs that saw it. */
static int plan_backward(const Operation *op, Plan *plan) {
    plan->backward = allocate(sizeof(Products) * op->rows * op->columns);
    for (int pixel = 0; plan->backward && pixel < op->rows * op->columns; pixel++) {
        int row = pixel / op->columns, column = pixel % op->columns, key[4], part = 0;
        key[1] = count_taps(row, op->window_rows, op->row_stride, op->out_rows, &key[0]);
        key[3] = count_taps(column, op->window_columns, op->column_stride, op->out_columns, &key[2]);
        while (part < plan->parts && memcmp(&plan->backward[part].first_row, key, sizeof(key)))
            part++;
        Products *list = &plan->backward[part];
        if (part == plan->parts && (plan->parts++, !plan_part(op, list, key)))
            return 0;
        int out_row = (row - key[0]) / op->row_stride, out_column = (column - key[2]) / op->column_stride;
        list->base[list->pixels] = (out_row * op->out_columns + out_column) * op->out_channels;
        list->place[list->pixels++] = pixel * op->channels;
    }
    return plan->backward != NULL;
}
