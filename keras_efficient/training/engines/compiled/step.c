/* Training steps of a chain of small layers, 16 images at a time.
 *
 * Every tensor of a tile lies in memory as [row][column][channel][16 images]: an instruction handles one number of 16
 * images, weights are broadcast, and a tile passes through the whole network while it is in the cache. Threads share
 * the tiles of a batch in chunks of a fixed size. Each chunk sums its own gradient, and the chunks are added in their
 * order: the result depends neither on timing nor on the number of threads.
 *
 * Python (program.py) turns a model into `Operation`s and `Grid`s; the structs here and there must agree. GNU C with
 * the vector extensions of gcc and clang. No -ffast-math: it would break the rounding of the quantizer.
 */
#include "network.h"

#include "layers.h"
#include "products.h"
#include "tile.h"

/* ---- Chunks, steps, threads -------------------------------------------------------------------------------- */

/* Bring the kernels into the order of the backward products. */
static void arrange_kernels(Job *job) {
    for (int i = 0; i < job->network->operations; i++) {
        const Operation *op = &job->network->operation[i];
        int inputs = op->channels / op->groups, outputs = op->out_channels / op->groups;
        for (int part = 0; part < job->plans[i].parts; part++) {
            Products *list = &job->plans[i].backward[part];
            float *to = list->weights;
            for (int g = 0; g < op->groups; g++)
                for (int k = 0; k < list->terms; k++)
                    for (int c = 0; c < inputs; c++)
                        *to++ = job->weights[op->kernel + g * outputs + list->source[k] + c * op->out_channels];
        }
    }
}

static void train_chunk(Job *job, Tile *tile, int chunk) {
    const Network *network = job->network;
    int last = network->tensors - 1, classes = network->cells[last];
    memset(tile->lanes, 0, network->parameters * sizeof(Vec));
    double loss = 0;
    for (int t = 0; t < job->tiles_of_chunk; t++) {
        int64_t position = ((int64_t)chunk * job->tiles_of_chunk + t) * LANES;
        if (position >= job->count)
            break;
        const float *targets[LANES];
        load_images(job, position, tile->value[0]);
        find_rows(job, job->targets, classes, position, targets);
        prefetch(targets, classes);
        forward(job, tile, 1, position);
        clear_gradients(network, tile);
        int used = job->count - position < LANES ? (int)(job->count - position) : LANES;
        loss += softmax_loss((float *)tile->value[last], (float *)gradient_of(network, tile, last), classes, targets,
                             used, 1.0f / job->count);
        backward(job, tile, position);
    }
    float *gradient = job->chunk_gradient + (size_t)chunk * network->parameters;
    for (int i = 0; i < network->parameters; i++)
        gradient[i] = lane_sum(&tile->lanes[i]);
    job->chunk_loss[chunk] = loss;
}

static void predict_chunk(Job *job, Tile *tile, int chunk) {
    int last = job->network->tensors - 1, classes = job->network->cells[last];
    int64_t position = (int64_t)chunk * LANES;
    load_images(job, position, tile->value[0]);
    forward(job, tile, 0, position);
    for (int lane = 0; lane < LANES && position + lane < job->count; lane++)
        for (int j = 0; j < classes; j++)
            job->outputs[(position + lane) * classes + j] = ((float *)tile->value[last])[j * LANES + lane];
}

/* Take chunks of the batch as long as there are some. */
static void run_chunks(Job *job, Tile *tile) {
    for (;;) {
        int chunk = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED);
        if (chunk >= job->chunks)
            return;
        job->outputs ? predict_chunk(job, tile, chunk) : train_chunk(job, tile, chunk);
    }
}

static void wait_for_all(Barrier *barrier) {
    pthread_mutex_lock(&barrier->mutex);
    unsigned round = barrier->round;
    if (++barrier->waiting == barrier->threads) {
        barrier->waiting = 0;
        barrier->round++;
        pthread_cond_broadcast(&barrier->changed);
    }
    while (round == barrier->round)
        pthread_cond_wait(&barrier->changed, &barrier->mutex);
    pthread_mutex_unlock(&barrier->mutex);
}

static void free_tile(const Network *network, Tile *tile) {
    for (int i = 0; tile && i < network->tensors; i++) {
        free(tile->value ? tile->value[i] : NULL);
        free(tile->gradient ? tile->gradient[i] : NULL);
    }
    if (tile) {
        free(tile->value);
        free(tile->gradient);
        free(tile->lanes);
    }
    free(tile);
}

/* The memory of a thread, zeroed; NULL where there is none. */
static Tile *make_tile(const Network *network) {
    Tile *tile = allocate(sizeof(Tile));
    if (!tile)
        return NULL;
    tile->value = allocate(network->tensors * sizeof(Vec *));
    tile->gradient = allocate(network->tensors * sizeof(Vec *));
    tile->lanes = allocate(network->parameters * sizeof(Vec));
    int complete = tile->value && tile->gradient && tile->lanes;
    for (int i = 0; complete && i < network->tensors; i++) {
        complete = (tile->value[i] = allocate(network->cells[i] * sizeof(Vec))) != NULL;
        if (complete && network->gradient[i] == i)
            complete = (tile->gradient[i] = allocate(network->cells[i] * sizeof(Vec))) != NULL;
    }
    if (complete)
        return tile;
    free_tile(network, tile);
    return NULL;
}

/* A helper thread: its share of every batch, until the job is done. */
static void *help(void *argument) {
    Job *job = argument;
    Tile *tile = make_tile(job->network);
    for (;;) {
        wait_for_all(&job->barrier);
        if (job->done)
            break;
        if (tile) /* without memory it only keeps step */
            run_chunks(job, tile);
        wait_for_all(&job->barrier);
    }
    free_tile(job->network, tile);
    return NULL;
}

/* All threads work on the chunks of the batch. */
static void run_together(Job *job, Tile *tile, int chunks) {
    job->chunks = chunks;
    job->next = 0;
    wait_for_all(&job->barrier);
    run_chunks(job, tile);
    wait_for_all(&job->barrier);
}

/* The gradient of the batch, chunk by chunk in their order; its loss, as a sum over the images. */
static double batch_gradient(Job *job, Tile *tile, const float *parameters, float *gradients) {
    const Network *network = job->network;
    int64_t images_of_chunk = (int64_t)job->tiles_of_chunk * LANES;
    quantize_weights(network, parameters, job->weights);
    arrange_kernels(job);
    run_together(job, tile, (int)((job->count + images_of_chunk - 1) / images_of_chunk));
    double loss = 0;
    memset(gradients, 0, network->parameters * sizeof(float));
    for (int chunk = 0; chunk < job->chunks; chunk++) {
        const float *part = job->chunk_gradient + (size_t)chunk * network->parameters;
        for (int i = 0; i < network->parameters; i++)
            gradients[i] += part[i];
        loss += job->chunk_loss[chunk];
    }
    fold_weights(network, parameters, job->weights);
    pass_through_grids(network, job->weights, gradients);
    pass_through_folds(network, parameters, gradients);
    return loss;
}

/* A run of parameters that train; `moments`: its place among the momentums and velocities. */
typedef struct {
    int32_t first, count, decays, moments;
} Segment;

typedef struct {
    double learning_rate, beta_1, beta_2, epsilon, weight_decay;
    int64_t iterations;
    int32_t segments;
    const Segment *segment;
    float *momentum, *velocity;
} Adam;

/* keras.optimizers.Adam, in float32 as there. */
static void adam_step(const Adam *adam, int64_t iteration, const float *gradients, float *parameters) {
    float rate = (float)adam->learning_rate, decay = (float)adam->weight_decay, epsilon = (float)adam->epsilon;
    float power_1 = powf((float)adam->beta_1, (float)iteration), power_2 = powf((float)adam->beta_2, (float)iteration);
    float alpha = rate * sqrtf(1.0f - power_2) / (1.0f - power_1);
    float new_1 = (float)(1.0 - adam->beta_1), new_2 = (float)(1.0 - adam->beta_2);
    for (int s = 0; s < adam->segments; s++) {
        const Segment *segment = &adam->segment[s];
        float *momentum = adam->momentum + segment->moments, *velocity = adam->velocity + segment->moments;
        for (int i = 0; i < segment->count; i++) {
            float *value = &parameters[segment->first + i], gradient = gradients[segment->first + i];
            *value -= segment->decays ? *value * decay * rate : 0.0f;
            momentum[i] += (gradient - momentum[i]) * new_1;
            velocity[i] += (gradient * gradient - velocity[i]) * new_2;
            *value -= momentum[i] * alpha / (sqrtf(velocity[i]) + epsilon);
        }
    }
}

/* ---- A call -------------------------------------------------------------------------------- */

static void free_plans(Job *job) {
    for (int i = 0; job->plans && i < job->network->operations; i++) {
        free_products(&job->plans[i].forward);
        for (int part = 0; part < job->plans[i].parts; part++)
            free_products(&job->plans[i].backward[part]);
        free(job->plans[i].backward);
    }
    free(job->plans);
    free(job->weights);
    free(job->chunk_gradient);
}

/* Everything but the data of a job; 0 where memory is missing. */
static int prepare(Job *job, const Network *network, int64_t batch) {
    int64_t tiles = (batch + LANES - 1) / LANES;
    job->network = network;
    job->tiles_of_chunk = (int)((tiles + MOST_CHUNKS - 1) / MOST_CHUNKS);
    job->plans = allocate(network->operations * sizeof(Plan));
    job->weights = allocate(network->parameters * sizeof(float));
    job->chunk_gradient = allocate(sizeof(float) * network->parameters * MOST_CHUNKS);
    int complete = job->plans && job->weights && job->chunk_gradient;
    for (int i = 0; complete && i < network->operations; i++)
        if (network->operation[i].kind == CONVOLUTION)
            complete = plan_forward(&network->operation[i], &job->plans[i].forward) &&
                       plan_backward(&network->operation[i], &job->plans[i]);
    pthread_mutex_init(&job->barrier.mutex, NULL);
    pthread_cond_init(&job->barrier.changed, NULL);
    return complete;
}

/* Numbers below 1e-38 count as zero, as in TensorFlow: they would take a hundred times as long. Helpers inherit it. */
static unsigned flush_denormals(void) {
#ifdef __x86_64__
    unsigned before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(before | 0x8040);
    return before;
#else
    return 0;
#endif
}

static void restore_denormals(unsigned before) {
    (void)before;
#ifdef __x86_64__
    __builtin_ia32_ldmxcsr(before);
#endif
}

typedef void Work(Job *job, Tile *tile, void *argument);

/* Run `work` on this thread, with helpers beside it; 0 where memory is missing. */
static int run_job(Job *job, const Network *network, int64_t batch, int threads, Work *work, void *argument) {
    unsigned before = flush_denormals();
    int complete = prepare(job, network, batch);
    Tile *tile = complete ? make_tile(network) : NULL;
    pthread_t *helpers = allocate(threads * sizeof(pthread_t));
    int started = 0;
    if (tile && helpers) {
        /* Nobody passes the barrier before all helpers that could be started are counted. */
        pthread_mutex_lock(&job->barrier.mutex);
        while (started < threads - 1 && !pthread_create(&helpers[started], NULL, help, job))
            started++;
        job->barrier.threads = started + 1;
        pthread_mutex_unlock(&job->barrier.mutex);
        work(job, tile, argument);
        job->done = 1;
        wait_for_all(&job->barrier);
        for (int i = 0; i < started; i++)
            pthread_join(helpers[i], NULL);
    }
    complete = tile && helpers;
    free(helpers);
    free_tile(network, tile);
    free_plans(job);
    restore_denormals(before);
    return complete;
}

typedef struct {
    int64_t batch;
    const Adam *adam; /* NULL: only the gradient of the first batch */
    float *parameters, *gradients;
    double loss;
} Epoch;

static void run_epoch(Job *job, Tile *tile, void *argument) {
    Epoch *epoch = argument;
    for (job->start = 0, job->step = 0; job->start < job->samples; job->start += epoch->batch, job->step++) {
        int64_t left = job->samples - job->start;
        job->count = left < epoch->batch ? left : epoch->batch;
        epoch->loss += batch_gradient(job, tile, epoch->parameters, epoch->gradients);
        if (!epoch->adam)
            return;
        adam_step(epoch->adam, epoch->adam->iterations + job->step + 1, epoch->gradients, epoch->parameters);
    }
}

/* Train on the samples in `order`, or (adam NULL) only find the gradient of the first batch. Returns the sum of the
 * losses, -infinity where memory is missing. */
double ke_train(const Network *network, const float *images, const float *targets, const int64_t *order,
                int64_t samples, int64_t batch, const Adam *adam, float *parameters, float *gradients, int threads) {
    Job job = {.images = images, .targets = targets, .order = order, .samples = samples};
    Epoch epoch = {.batch = batch, .adam = adam, .parameters = parameters, .gradients = gradients};
    return run_job(&job, network, batch, threads, run_epoch, &epoch) ? epoch.loss : -INFINITY;
}

static void run_prediction(Job *job, Tile *tile, void *parameters) {
    quantize_weights(job->network, parameters, job->weights);
    run_together(job, tile, (int)((job->count + LANES - 1) / LANES));
}

/* The logits of `samples` images, without dropout; 0 where memory is missing. */
int ke_predict(const Network *network, const float *images, int64_t samples, float *parameters, float *outputs,
               int threads) {
    Job job = {.images = images, .count = samples, .outputs = outputs};
    return run_job(&job, network, LANES, threads, run_prediction, parameters);
}

/* The sizes of the structs, so that Python can check its own. */
void ke_sizes(int32_t sizes[6]) {
    int32_t found[] = {sizeof(Grid), sizeof(Fold), sizeof(Operation), sizeof(Network), sizeof(Segment), sizeof(Adam)};
    memcpy(sizes, found, sizeof(found));
}
