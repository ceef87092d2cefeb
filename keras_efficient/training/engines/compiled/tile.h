/* What happens to 16 images: through the network, the loss, and back. */

/* The memory of one thread: values and gradients of a tile, gradients of the parameters for each lane. */
typedef struct {
    Vec **value, **gradient, *lanes;
} Tile;

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int threads, waiting;
    unsigned round;
} Barrier;

/* All that the threads of a call share. */
typedef struct {
    const Network *network;
    Plan *plans;
    float *weights; /* the parameters as the layers use them: on their grids */
    const float *images, *targets;
    const int64_t *order;
    int64_t samples, start, count; /* start and count of the batch */
    uint32_t step;
    int chunks, tiles_of_chunk, next, done;
    float *chunk_gradient;
    double chunk_loss[MOST_CHUNKS];
    float *outputs;
    Barrier barrier;
} Job;

INLINE const Grid *grid_of(const Network *network, const Operation *op) {
    return op->grid < 0 ? NULL : &network->grid[op->grid];
}

static void forward(const Job *job, Tile *tile, int training, int64_t position) {
    const Network *network = job->network;
    for (int i = 0; i < network->operations; i++) {
        const Operation *op = &network->operation[i];
        Vec *x = tile->value[op->input], *y = tile->value[op->output];
        int cells = network->cells[op->output];
        if (op->kind == PAD)
            pad(op, x, y, 0);
        else if (op->kind == ADD)
            for (int j = 0; j < cells; j++)
                y[j] = x[j] + tile->value[op->skip][j];
        else if (op->kind == CONVOLUTION)
            convolve(op, &job->plans[i], job->weights, x, y);
        else if (op->kind == MAXIMUM || op->kind == AVERAGE)
            each_window(op, op->kind == MAXIMUM ? maximum : average, x, NULL, y, 1);
        else if (op->kind == ACTIVATION)
            activate(cells, x, op->relu ? 0.0f : -INFINITY, grid_of(network, op), job->weights, y);
        else if (training)
            drop(op, job->step, position, cells, x, y);
        else
            memcpy(y, x, cells * sizeof(Vec));
    }
}

/* The gradient of a tensor; NULL where no weight comes before it. */
INLINE Vec *gradient_of(const Network *network, const Tile *tile, int tensor) {
    return tensor < 0 || network->gradient[tensor] < 0 ? NULL : tile->gradient[network->gradient[tensor]];
}

/* Pooling and padding add to gradients, everything else writes them. */
static void clear_gradients(const Network *network, Tile *tile) {
    for (int i = 0; i < network->operations; i++) {
        const Operation *op = &network->operation[i];
        Vec *gradient = gradient_of(network, tile, op->input);
        if (gradient && (op->kind == PAD || op->kind == MAXIMUM || op->kind == AVERAGE))
            memset(gradient, 0, network->cells[op->input] * sizeof(Vec));
    }
}

static void backward(const Job *job, Tile *tile, int64_t position) {
    const Network *network = job->network;
    for (int i = network->operations - 1; i >= 0; i--) {
        const Operation *op = &network->operation[i];
        Vec *x = tile->value[op->input];
        Vec *dx = gradient_of(network, tile, op->input), *dy = gradient_of(network, tile, op->output);
        int cells = network->cells[op->output];
        if (!dy)
            continue;
        if (op->kind == CONVOLUTION)
            convolve_backward(op, &job->plans[i], x, dy, dx, tile->lanes);
        else if (op->kind == ACTIVATION) {
            const Grid *grid = grid_of(network, op);
            Vec sum = activate_backward(cells, x, op->relu ? 0.0f : -INFINITY, grid, job->weights, dy);
            if (grid && grid->scale >= 0)
                tile->lanes[grid->scale] += sum;
        } else if (op->kind == DROPOUT)
            drop(op, job->step, position, cells, dy, dy);
        else if (op->kind == ADD) { /* the gradient of x is that of y, in place */
            Vec *skip = gradient_of(network, tile, op->skip);
            for (int j = 0; skip && j < cells; j++)
                skip[j] += dy[j];
        } else if (dx && op->kind == PAD)
            pad(op, dx, dy, 1);
        else if (dx)
            each_window(op, op->kind == MAXIMUM ? maximum_backward : average_backward, x, dy, dx, 0);
    }
}

/* Cross-entropy of softmax(logits), summed over the tile, and its gradient times `share` (0 for lanes not used). */
static double softmax_loss(const float *logits, float *gradient, int classes, const float *const targets[LANES],
                           int used, float share) {
    double loss = 0;
    for (int lane = 0; lane < LANES; lane++) {
        float most = logits[lane], sum = 0, entropy = 0;
        for (int j = 1; j < classes; j++)
            most = fmaxf(most, logits[j * LANES + lane]);
        for (int j = 0; j < classes; j++)
            sum += gradient[j * LANES + lane] = expf(logits[j * LANES + lane] - most);
        float log_sum = logf(sum);
        for (int j = 0; j < classes; j++) {
            float target = targets[lane][j], *g = &gradient[j * LANES + lane];
            entropy += target * (log_sum + most - logits[j * LANES + lane]);
            *g = lane < used ? (*g / sum - target) * share : 0.0f;
        }
        loss += lane < used ? entropy : 0.0f;
    }
    return loss;
}

/* Rows of a table for the lanes of a tile; lanes past the end take its last row. */
static void find_rows(const Job *job, const float *table, int64_t row_size, int64_t position,
                      const float *rows[LANES]) {
    for (int lane = 0; lane < LANES; lane++) {
        int64_t place = position + lane < job->count ? position + lane : job->count - 1;
        int64_t row = job->order ? job->order[job->start + place] : job->start + place;
        rows[lane] = table + row * row_size;
    }
}

/* Ask for rows of a table that will be needed soon: they lie anywhere in memory. */
static void prefetch(const float *const rows[LANES], int64_t row_size) {
    for (int lane = 0; lane < LANES; lane++)
        for (int i = 0; i < row_size; i += LANES)
            __builtin_prefetch(rows[lane] + i);
}

static void load_images(const Job *job, int64_t position, Vec *x) {
    const float *rows[LANES];
    int cells = job->network->cells[0];
    find_rows(job, job->images, cells, position, rows);
    for (int i = 0; i < cells; i++)
        EACH(lane, LANES)((float *)x)[i * LANES + lane] = rows[lane][i];
    find_rows(job, job->images, cells, position + LANES, rows);
    prefetch(rows, cells);
}
