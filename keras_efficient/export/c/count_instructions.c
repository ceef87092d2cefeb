/* A plugin of qemu that counts what the program of main_arm.c executes for an image.
 *
 *     cc -O2 -shared -fPIC count_instructions.c -o count_instructions.so
 *     qemu-system-arm ... -plugin ./count_instructions.so
 *
 * Counting begins, notes the last number, and ends where main_arm.c calls the functions named in `marks`; these, and
 * the instructions that call them, are not counted. For each image instructions.txt gets a line: instructions from the
 * first number to the logits, instructions from the last number on, and the same two in cycles.
 *
 * Instructions are exact. Cycles are an estimate for a Cortex-M4 whose memory has no wait states: a load takes 2, one
 * that follows a load 1, of two words 1 more, a load or store of several registers 1 + their number, a division 6 (of 2
 * to 12), a branch taken 2 more, all else 1.
 *
 * The declarations are those of qemu's plugin interface, whose header no package installs. -DPLUGIN_VERSION=2 is for
 * newer versions of qemu, in which these functions are the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PLUGIN_VERSION
#define PLUGIN_VERSION 1
#endif

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;
enum { NO_REGISTERS = 0 };
int qemu_plugin_version = PLUGIN_VERSION;
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
extern char *qemu_plugin_insn_disas(const struct qemu_plugin_insn *);
extern const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);
extern void qemu_plugin_register_vcpu_tb_trans_cb(
    qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(
    struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);
extern int qemu_plugin_install(qemu_plugin_id_t, const void *, int, char **);

typedef enum { FIRST_NUMBER, LAST_NUMBER, LOGITS, NO_MARK } mark_t;
static const char *const marks[NO_MARK] = {"mark_first_number", "mark_last_number", "mark_logits"};

typedef struct {
    uint64_t instructions, cycles;
} spent_t;

/* What is executed without a branch. */
typedef struct {
    uint64_t start, end;
    spent_t spent;
    mark_t mark;
} block_t;

static int counting;
static spent_t total, until_last;
static const block_t *before; /* the block executed before this one */

/* The last branch has called the mark: it belongs to the measurement, not to the network. */
static void without_call(spent_t *spent) {
    spent->instructions -= 1;
    spent->cycles -= 1;
}

static void write_counts(void) {
    static FILE *file;
    if (file == NULL && (file = fopen("instructions.txt", "w")) == NULL) {
        return;
    }
    fprintf(file, "%llu %llu %llu %llu\n", (unsigned long long)total.instructions,
            (unsigned long long)(total.instructions - until_last.instructions), (unsigned long long)total.cycles,
            (unsigned long long)(total.cycles - until_last.cycles));
    fflush(file);
}

static void at_mark(mark_t mark) {
    if (mark == FIRST_NUMBER) {
        memset(&total, 0, sizeof total);
        counting = 1;
    } else {
        without_call(&total);
    }
    if (mark == LAST_NUMBER) {
        until_last = total;
    }
    if (mark == LOGITS) {
        write_counts();
        counting = 0;
    }
}

static void executed(unsigned cpu, void *data) {
    const block_t *block = data;
    const mark_t mark_before = before == NULL ? NO_MARK : before->mark;
    (void)cpu;
    if (block->mark != NO_MARK) {
        if (block->mark != mark_before) { /* a function may be several blocks */
            at_mark(block->mark);
        }
    } else if (counting) {
        total.cycles += mark_before == NO_MARK && before != NULL && before->end != block->start ? 2 : 0;
        total.instructions += block->spent.instructions;
        total.cycles += block->spent.cycles;
    }
    before = block;
}

static int starts(const char *text, const char *word) {
    return strncmp(text, word, strlen(word)) == 0;
}

/* Of a list such as {r4, r5, lr}. */
static unsigned registers(const char *text) {
    unsigned count = 1;
    for (text = strchr(text, '{'); text != NULL && *text != 0 && *text != '}'; ++text) {
        count += *text == ',';
    }
    return count;
}

static unsigned cycles_of(const char *text, int after_load) {
    if (starts(text, "ldm") || starts(text, "pop") || starts(text, "stm") || starts(text, "push")) {
        return 1 + registers(text);
    }
    if (starts(text, "ldr") || starts(text, "vldr")) {
        return (after_load ? 1 : 2) + (unsigned)starts(text, "ldrd");
    }
    if (starts(text, "strd")) {
        return 2;
    }
    return starts(text, "udiv") || starts(text, "sdiv") ? 6 : 1;
}

static mark_t mark_at(const char *symbol) {
    mark_t mark = FIRST_NUMBER;
    while (mark < NO_MARK && (symbol == NULL || strcmp(symbol, marks[mark]) != 0)) {
        ++mark;
    }
    return mark;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *translation) {
    block_t *block = calloc(1, sizeof *block); /* as long as qemu runs */
    const size_t count = qemu_plugin_tb_n_insns(translation);
    int after_load = 0;
    (void)id;
    if (block == NULL) {
        abort();
    }
    block->start = block->end = qemu_plugin_tb_vaddr(translation);
    block->mark = mark_at(qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(translation, 0)));
    block->spent.instructions = count;
    for (size_t i = 0; i < count; ++i) {
        const struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translation, i);
        char *text = qemu_plugin_insn_disas(instruction);
        const char *word = text == NULL ? "" : text + strspn(text, " \t");
        block->end += qemu_plugin_insn_size(instruction);
        block->spent.cycles += cycles_of(word, after_load);
        after_load = starts(word, "ldr") || starts(word, "vldr");
        free(text);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(translation, executed, NO_REGISTERS, block);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *information, int arguments, char **values) {
    (void)information;
    (void)arguments;
    (void)values;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
