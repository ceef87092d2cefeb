/* All layers without products: quantizers, pooling, padding, dropout. */

/* 2^round(log2 scale) */
static float grid_scale(const Grid *grid, int channel, const float *parameters) {
    if (grid->scale < 0)
        return 1.0f;
    float exponent = rintf(parameters[grid->scale + channel]);
    return isfinite(exponent) ? ldexpf(1.0f, (int)fminf(fmaxf(exponent, -126.0f), 127.0f)) : NAN;
}

INLINE float round_number(float x, int rounding) {
    return rounding == NEAREST ? rintf(x) : floorf(x) + (rounding == MID_RISE ? 0.5f : 0.0f);
}

INLINE float clip(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

INLINE float part_of(const float *parameters, int place, int channel, float otherwise) {
    return place < 0 ? otherwise : parameters[place + channel];
}

/* 1 / standard deviation */
INLINE float inverse_deviation(const Fold *fold, int c, const float *parameters) {
    return 1.0f / sqrtf(parameters[fold->variance + c] + fold->epsilon);
}

INLINE float centered_bias(const Fold *fold, int c, const float *parameters) {
    return part_of(parameters, fold->bias, c, 0.0f) - parameters[fold->mean + c];
}

/* The parameters, with normalizations folded into their kernels and biases. */
static void fold_weights(const Network *network, const float *parameters, float *weights) {
    memcpy(weights, parameters, network->parameters * sizeof(float));
    for (int f = 0; f < network->folds; f++) {
        const Fold *fold = &network->fold[f];
        for (int c = 0; c < fold->channels; c++) {
            float gain = part_of(parameters, fold->gamma, c, 1.0f) * inverse_deviation(fold, c, parameters);
            for (int i = fold->kernel + c; i < fold->kernel + fold->count; i += fold->channels)
                weights[i] = parameters[i] * gain;
            weights[fold->folded_bias + c] =
                centered_bias(fold, c, parameters) * gain + part_of(parameters, fold->beta, c, 0.0f);
        }
    }
}

/* The parameters as the layers use them. */
static void quantize_weights(const Network *network, const float *parameters, float *weights) {
    fold_weights(network, parameters, weights);
    for (int g = 0; g < network->grids; g++) {
        const Grid *grid = &network->grid[g];
        for (int c = 0; c < grid->channels; c++) {
            float step = grid_scale(grid, c, parameters) / grid->resolution, inverse = 1.0f / step;
            for (int i = grid->first + c; i < grid->first + grid->count; i += grid->channels) {
                float code = round_number(weights[i] * inverse, grid->rounding);
                weights[i] = clip(code, grid->low, grid->high) * step;
            }
        }
    }
}

/* From gradients of quantized weights and of steps to gradients of folded weights and of log2 scales. */
static void pass_through_grids(const Network *network, const float *folded, float *gradients) {
    for (int g = 0; g < network->grids; g++) {
        const Grid *grid = &network->grid[g];
        for (int c = 0; c < grid->channels; c++) {
            float scale = grid_scale(grid, c, folded), inverse = grid->resolution / scale;
            double sum = 0;
            for (int i = grid->first + c; i < grid->first + grid->count; i += grid->channels) {
                float scaled = folded[i] * inverse, rounded = round_number(scaled, grid->rounding);
                float code = clip(rounded, grid->low, grid->high);
                int inside = rounded == code;
                sum += (double)gradients[i] * (inside ? rounded - scaled : code);
                gradients[i] = inside ? gradients[i] : 0.0f;
            }
            if (grid->scale >= 0) {
                float *gradient = &gradients[grid->scale + c];
                *gradient = (float)((*gradient + sum) / grid->resolution * 0.69314718055994531 * scale);
            }
        }
    }
}

/* From gradients of folded weights to those of kernel, bias, gamma and beta. */
static void pass_through_folds(const Network *network, const float *parameters, float *gradients) {
    for (int f = 0; f < network->folds; f++) {
        const Fold *fold = &network->fold[f];
        for (int c = 0; c < fold->channels; c++) {
            float inverse = inverse_deviation(fold, c, parameters);
            float gain = part_of(parameters, fold->gamma, c, 1.0f) * inverse, bias = gradients[fold->folded_bias + c];
            double sum = (double)bias * centered_bias(fold, c, parameters);
            for (int i = fold->kernel + c; i < fold->kernel + fold->count; i += fold->channels) {
                sum += (double)gradients[i] * parameters[i];
                gradients[i] *= gain;
            }
            gradients[fold->folded_bias + c] = bias * gain;
            if (fold->gamma >= 0)
                gradients[fold->gamma + c] = (float)(sum * inverse);
            if (fold->beta >= 0)
                gradients[fold->beta + c] = bias;
        }
    }
}

INLINE void quantize_loop(int cells, const Vec *x, float lowest, const Grid *grid, const int rounding, float step,
                          Vec *y) {
    const float inverse = 1.0f / step, low = grid->low, high = grid->high;
    for (int i = 0; i < cells; i++) {
        Vec z = choose(x[i] < lowest, splat(lowest), x[i]);
        y[i] = clip_vec(round_vec(z * inverse, rounding), low, high) * step;
    }
}

/* y = quantize(activation(x)); `lowest` is 0 for relu, else -infinity */
static void activate(int cells, const Vec *x, float lowest, const Grid *grid, const float *weights, Vec *y) {
    const float step = grid ? grid_scale(grid, 0, weights) / grid->resolution : 1.0f;
    if (!grid)
        for (int i = 0; i < cells; i++)
            y[i] = choose(x[i] < lowest, splat(lowest), x[i]);
    else if (grid->rounding == NEAREST)
        quantize_loop(cells, x, lowest, grid, NEAREST, step, y);
    else if (grid->rounding == FLOOR)
        quantize_loop(cells, x, lowest, grid, FLOOR, step, y);
    else
        quantize_loop(cells, x, lowest, grid, MID_RISE, step, y);
}

INLINE Vec quantize_loop_backward(int cells, const Vec *x, float lowest, const Grid *grid, const int rounding,
                                  float step, Vec *gradient) {
    const float inverse = 1.0f / step, low = grid->low, high = grid->high;
    Vec sum = {0};
    for (int i = 0; i < cells; i++) {
        Vec scaled = choose(x[i] < lowest, splat(lowest), x[i]) * inverse, rounded = round_vec(scaled, rounding);
        Vec code = clip_vec(rounded, low, high);
        Mask inside = rounded == code;
        sum += gradient[i] * choose(inside, rounded - scaled, code);
        gradient[i] = (Vec)((Mask)gradient[i] & inside & (x[i] > lowest));
    }
    return sum;
}

/* The gradient of y becomes that of x, in place. Returns the gradient of the step. */
static Vec activate_backward(int cells, const Vec *x, float lowest, const Grid *grid, const float *weights,
                             Vec *gradient) {
    const float step = grid ? grid_scale(grid, 0, weights) / grid->resolution : 1.0f;
    if (grid && grid->rounding == NEAREST)
        return quantize_loop_backward(cells, x, lowest, grid, NEAREST, step, gradient);
    if (grid && grid->rounding == FLOOR)
        return quantize_loop_backward(cells, x, lowest, grid, FLOOR, step, gradient);
    if (grid)
        return quantize_loop_backward(cells, x, lowest, grid, MID_RISE, step, gradient);
    for (int i = 0; i < cells; i++)
        gradient[i] = (Vec)((Mask)gradient[i] & (x[i] > lowest));
    return (Vec){0};
}

/* Calls `visit` for each output pixel and the part of its window that lies in the image. */
typedef void Visit(const Operation *op, int rows[2], int columns[2], const Vec *x, const Vec *y, Vec *out);

static void each_window(const Operation *op, Visit *visit, const Vec *x, const Vec *y, Vec *out, int out_is_output) {
    for (int i = 0; i < op->out_rows; i++)
        for (int j = 0; j < op->out_columns; j++) {
            int top = i * op->row_stride - op->top, left = j * op->column_stride - op->left;
            int rows[2] = {larger(top, 0), smaller(top + op->window_rows, op->rows)};
            int columns[2] = {larger(left, 0), smaller(left + op->window_columns, op->columns)};
            int place = (i * op->out_columns + j) * op->channels;
            visit(op, rows, columns, x, y ? y + place : NULL, out_is_output ? out + place : out);
        }
}

#define EACH_CELL(at) /* the places of channel c in a window, row by row */                                            \
    for (int r = rows[0]; r < rows[1]; r++)                                                                            \
        for (int s = columns[0], at; at = (r * op->columns + s) * op->channels + c, s < columns[1]; s++)

static void maximum(const Operation *op, int rows[2], int columns[2], const Vec *x, const Vec *unused, Vec *y) {
    (void)unused;
    for (int c = 0; c < op->channels; c++) {
        y[c] = x[(rows[0] * op->columns + columns[0]) * op->channels + c];
        EACH_CELL(at) y[c] = choose(x[at] > y[c], x[at], y[c]);
    }
}

/* Of equal maxima the first one gets the gradient. */
static void maximum_backward(const Operation *op, int rows[2], int columns[2], const Vec *x, const Vec *dy, Vec *dx) {
    for (int c = 0; c < op->channels; c++) {
        Vec best = x[(rows[0] * op->columns + columns[0]) * op->channels + c];
        EACH_CELL(at) best = choose(x[at] > best, x[at], best);
        Mask open = (Mask){0} == 0;
        EACH_CELL(at) {
            Mask here = (x[at] == best) & open;
            dx[at] += (Vec)((Mask)dy[c] & here);
            open &= ~here;
        }
    }
}

static void average(const Operation *op, int rows[2], int columns[2], const Vec *x, const Vec *unused, Vec *y) {
    (void)unused;
    float count = (rows[1] - rows[0]) * (columns[1] - columns[0]);
    for (int c = 0; c < op->channels; c++) {
        Vec sum = {0};
        EACH_CELL(at) sum += x[at];
        y[c] = sum / count;
    }
}

static void average_backward(const Operation *op, int rows[2], int columns[2], const Vec *x, const Vec *dy, Vec *dx) {
    (void)x;
    float count = (rows[1] - rows[0]) * (columns[1] - columns[0]);
    for (int c = 0; c < op->channels; c++)
        EACH_CELL(at) dx[at] += dy[c] / count;
}

/* Copy into the middle of y, whose border stays zero; or add the gradient of the middle to that of x. */
static void pad(const Operation *op, Vec *x, Vec *y, int backward) {
    int cells = op->columns * op->channels;
    for (int i = 0; i < op->rows; i++) {
        Vec *middle = y + ((i + op->top) * op->out_columns + op->left) * op->channels;
        for (int j = 0; j < cells; j++)
            if (backward)
                x[i * cells + j] += middle[j];
            else
                middle[j] = x[i * cells + j];
    }
}

/* y = x / (1 - rate) where a hash of seed, step, place in the batch and cell says so, else 0. */
static void drop(const Operation *op, uint32_t step, int64_t position, int cells, const Vec *x, Vec *y) {
    Bits lane, key = mix((Bits){0} + op->counter + step) + op->seed;
    for (int i = 0; i < LANES; i++)
        lane[i] = (uint32_t)(position + i) * (uint32_t)cells;
    for (int i = 0; i < cells; i++) {
        Mask kept = (mix(mix(lane + (uint32_t)i) ^ key) >> 8) >= op->threshold;
        y[i] = (Vec)((Mask)(x[i] * op->keep) & kept);
    }
}
