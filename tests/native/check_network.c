/* See check_network.h. */
#include "check_network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dynakernel.h"
#include "network_description.h"

/* A network with its inputs and outputs. */
typedef struct running {
  dk_network *network;
  dk_schedule *schedule;
  float *input[MOST_VALUES], *output[MOST_VALUES];
  size_t output_bytes[MOST_VALUES];
  int32_t inputs, outputs;
} running;

/* Fills the constants and inputs. The numbers follow from the seed alone. */
static void fill(running *made, const described_network *described, uint32_t seed) {
  random_state random = {seed};
  int32_t constant = 0;
  for (int32_t i = 0; i < described->values; i++) {
    const described_value *of = &described->value[i];
    const size_t count = described_elements(of);
    if (of->made) continue;
    float *numbers = guarded_alloc(count * sizeof(float));
    random_fill(&random, numbers, count);
    if (!of->constant) {
      made->input[made->inputs++] = numbers;
      continue;
    }
    /* Positive, so that every constant may be a variance; small, so that numbers do not grow. */
    for (size_t k = 0; k < count; k++)
      numbers[k] = of->rank == 1 ? 0.5f + 0.25f * numbers[k] : 0.5f * numbers[k];
    const size_t half = count / 2;
    if (dk_network_write(made->network, constant, half, count - half, numbers + half)) abort();
    if (dk_network_write(made->network, constant, 0, half, numbers)) abort();

    /* What is read is what was written. */
    float *read = guarded_alloc(count * sizeof(float));
    if (dk_network_read(made->network, constant, 0, count, read)) abort();
    if (memcmp(read, numbers, count * sizeof(float)) != 0) {
      printf("constant %d is not read as it was written\n", constant);
      abort();
    }
    guarded_free(read);
    guarded_free(numbers);
    constant++;
  }
  for (; made->outputs < described->outputs; made->outputs++) {
    const size_t bytes =
        described_elements(&described->value[described->output[made->outputs]]) * sizeof(float);
    made->output_bytes[made->outputs] = bytes;
    made->output[made->outputs] = guarded_alloc(bytes);
  }
}

static dk_status begin(running *made, const int32_t *words, int32_t count) {
  *made = (running){0};
  const dk_status status = dk_network_create(words, (size_t)count, &made->network);
  return status ? status : dk_schedule_create(made->network, words, (size_t)count, &made->schedule);
}

static void end(running *made) {
  for (int32_t i = 0; i < made->inputs; i++) guarded_free(made->input[i]);
  for (int32_t i = 0; i < made->outputs; i++) guarded_free(made->output[i]);
  dk_schedule_destroy(made->schedule);
  dk_network_destroy(made->network);
}

static dk_status run(dk_context *context, running *made) {
  return dk_schedule_run(context, made->schedule, (const float *const *)made->input, made->output, 0,
                         dk_schedule_layers(made->schedule));
}

static void print_words(const int32_t *words, int32_t count) {
  for (int32_t i = 0; i < count; i++) printf("%d%s", words[i], i % 24 == 23 ? "\n" : " ");
  printf("\n");
}

/* Fused and unfused, a network computes the same. Nothing is fused if every value is kept. */
static int check_random(dk_context *context, uint32_t seed, int32_t *words) {
  random_state random = {seed};
  static described_network described;
  describe_random(&random, &described);
  running fused, plain;
  int failures = 0;
  int32_t count = describe_words(&described, true, words);
  dk_status status = begin(&plain, words, count);
  if (!status) fill(&plain, &described, seed);
  if (!status) status = run(context, &plain);
  count = describe_words(&described, false, words);
  if (!status) status = begin(&fused, words, count);
  if (status) {
    printf("network of seed %u: status %d\n", seed, (int)status);
    print_words(words, count);
    return 1;
  }
  fill(&fused, &described, seed);

  /* Twice: the second run finds the memory that the first has left. */
  for (int32_t i = 0; i < 2; i++) failures += run(context, &fused) != DK_OK;
  for (int32_t i = 0; i < described.outputs; i++) {
    const size_t elements = described_elements(&described.value[described.output[i]]);
    char what[80];
    snprintf(what, sizeof what, "network of seed %u, output %d, value %d", seed, i, described.output[i]);
    failures += !guards_hold(fused.output[i], fused.output_bytes[i], what);
    failures += !close_to(fused.output[i], plain.output[i], elements, 2e-5, what);
  }
  /* Kept values are those of the outputs. */
  int32_t kept = 0;
  for (int32_t i = 0; i < described.values; i++) {
    if (!described.value[i].made) continue;
    for (int32_t output = 0; output < described.outputs; output++) {
      const size_t bytes = described_elements(&described.value[i]) * sizeof(float);
      if (described.output[output] != i) continue;
      float *read = guarded_alloc(bytes);
      failures += dk_schedule_read(plain.schedule, kept, read) != DK_OK ||
                  memcmp(read, plain.output[output], bytes) != 0;
      guarded_free(read);
    }
    kept++;
  }
  if (failures) print_words(words, count);
  end(&fused);
  end(&plain);
  return failures;
}

/* A description with some words changed is refused, or its network runs. Neither touches other memory. */
static int check_hostile(dk_context *context, uint32_t seed, int32_t *words) {
  random_state random = {seed};
  static described_network described;
  describe_random(&random, &described);
  int32_t count = describe_words(&described, false, words);
  static const int32_t odd[] = {-1, 0, 1, 2, 3, 7, 64, 32768, 1 << 29, INT32_MAX, INT32_MIN, -1000};
  for (int32_t i = random_between(&random, 0, 2); i >= 0; i--)
    words[random_between(&random, 0, count - 1)] =
        random_between(&random, 0, 1) ? random_of(&random, odd, 12) : random_between(&random, -2, 40);
  if (random_between(&random, 0, 4) == 0) count = random_between(&random, 0, count);

  running made;
  dk_status status = begin(&made, words, count);
  if (!status) {
    /* The buffers are those of the description as it was: run only if no shape of theirs has changed. */
    static int32_t original[MOST_WORDS];
    describe_words(&described, false, original);
    int32_t head = 7;
    for (int32_t i = 0; i < described.values; i++) head += 1 + described.value[i].rank;
    const int32_t lists = head + words[2] + words[3] + words[4] + words[5];
    if (memcmp(original, words, sizeof(int32_t) * (size_t)lists) == 0) {
      fill(&made, &described, seed);
      status = run(context, &made);
      for (int32_t i = 0; i < made.outputs; i++)
        if (!guards_hold(made.output[i], made.output_bytes[i], "a hostile description")) return 1;
    }
  }
  end(&made);
  return 0;
}

/* An attention of two heads. Its values are x, the hidden weight, four vectors of batch norm, weight and bias
 * of each head, and two outputs. Word 0 of the node is its op. The node ends with eps 1e-5, temperature 1 and
 * no softmax. */
enum { ATTENTION_NODE = 51, FIRST_INPUT = 4, FIRST_OUTPUT = 18, EPS = 20, TEMPERATURE, SOFTMAX };
static const int32_t attention_counts[] = {DK_DESCRIPTION, 12, 9, 1, 2, 0, 1};
static const int32_t attention_values[] = {4, 2, 3, 4, 4, 2, 5, 3, 1, 5, 1, 5, 1, 5, 1, 5,
                                           2, 4, 5, 1, 4, 2, 6, 5, 1, 6, 2, 2, 4, 2, 2, 6};
static const int32_t attention_lists[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 10, 11};
static const int32_t attention_node[] = {
    DK_OP_ATTENTION, 14,         2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1, -1, -1, -1, 10, 11,
    0x3727c5ac,      0x3f800000, 0};

/* Changes of the node: a word and its new value. Word 0: there is no change. */
static const struct {
  const char *what;
  int32_t change[4][2];
  dk_status status;
} attention_cases[] = {
    {"as it is", {{0}}, DK_OK},
    {"softmax", {{SOFTMAX, 1}}, DK_OK},
    {"no biases", {{FIRST_INPUT + 7, -1}, {FIRST_INPUT + 9, -1}}, DK_OK},
    {"the second head as the last",
     {{FIRST_INPUT + 8, -1}, {FIRST_INPUT + 9, -1}, {FIRST_INPUT + 12, 8}, {FIRST_INPUT + 13, 9}},
     DK_OK},
    {"no batch norm",
     {{FIRST_INPUT + 2, -1}, {FIRST_INPUT + 3, -1}, {FIRST_INPUT + 4, -1}, {FIRST_INPUT + 5, -1}},
     DK_OK},
    {"a part of batch norm", {{FIRST_INPUT + 2, -1}, {FIRST_INPUT + 3, -1}}, DK_ERROR_CONFIG},
    {"batch norm without a hidden layer", {{FIRST_INPUT + 1, -1}}, DK_ERROR_CONFIG},
    {"no x", {{FIRST_INPUT, -1}}, DK_ERROR_CONFIG},
    {"a bias without a weight", {{FIRST_INPUT + 8, -1}}, DK_ERROR_CONFIG},
    {"an output without a head", {{FIRST_INPUT + 8, -1}, {FIRST_INPUT + 9, -1}}, DK_ERROR_CONFIG},
    {"a head without an output", {{FIRST_INPUT + 10, 8}}, DK_ERROR_CONFIG},
    {"a weight that is no constant", {{FIRST_INPUT + 6, 0}}, DK_ERROR_CONFIG},
    {"an output twice", {{FIRST_OUTPUT + 1, 10}}, DK_ERROR_CONFIG},
    {"eps 0", {{EPS, 0}}, DK_OK},
    {"eps negative", {{EPS, INT32_MIN + 0x3727c5ac}}, DK_ERROR_CONFIG},
    {"eps NaN", {{EPS, 0x7fc00000}}, DK_ERROR_CONFIG},
    {"temperature 0", {{TEMPERATURE, 0}}, DK_ERROR_CONFIG},
    {"temperature infinite", {{TEMPERATURE, 0x7f800000}}, DK_ERROR_CONFIG},
    {"temperature negative", {{TEMPERATURE, INT32_MIN + 0x3f800000}}, DK_ERROR_CONFIG},
    {"softmax 2", {{SOFTMAX, 2}}, DK_ERROR_CONFIG},
    {"softmax -1", {{SOFTMAX, -1}}, DK_ERROR_CONFIG},
    {"a hidden weight of other channels", {{FIRST_INPUT + 1, 6}}, DK_ERROR_SHAPE},
    {"a longer batch norm", {{FIRST_INPUT + 3, 9}}, DK_ERROR_SHAPE},
    {"a weight of other features", {{FIRST_INPUT + 6, 1}}, DK_ERROR_SHAPE},
    {"a bias of another head", {{FIRST_INPUT + 7, 9}}, DK_ERROR_SHAPE},
    {"outputs in another order", {{FIRST_OUTPUT, 11}, {FIRST_OUTPUT + 1, 10}}, DK_ERROR_SHAPE},
};

static int check_attention_nodes(void) {
  int failures = 0;
  for (size_t i = 0; i < sizeof attention_cases / sizeof *attention_cases; i++) {
    int32_t words[ATTENTION_NODE + sizeof attention_node / sizeof *attention_node];
    memcpy(words, attention_counts, sizeof attention_counts);
    memcpy(words + 7, attention_values, sizeof attention_values);
    memcpy(words + 39, attention_lists, sizeof attention_lists);
    memcpy(words + ATTENTION_NODE, attention_node, sizeof attention_node);
    for (int32_t k = 0; k < 4; k++)
      if (attention_cases[i].change[k][0])
        words[ATTENTION_NODE + attention_cases[i].change[k][0]] = attention_cases[i].change[k][1];
    running made;
    const dk_status status = begin(&made, words, (int32_t)(sizeof words / sizeof *words));
    if (status != attention_cases[i].status) {
      printf("FAILED attention node, %s: status %d, expected %d\n", attention_cases[i].what, (int)status,
             (int)attention_cases[i].status);
      failures++;
    }
    end(&made);
  }
  return failures;
}

int check_network(uint32_t seed, int count) {
  static int32_t words[MOST_WORDS];
  dk_context *context = dk_context_create();
  int failures = check_attention_nodes();
  for (int i = 0; i < count && failures < 5; i++)
    failures += check_random(context, seed * 100000 + (uint32_t)i, words);
  for (int i = 0; i < 4 * count && failures < 5; i++)
    failures += check_hostile(context, seed * 100000 + (uint32_t)i, words);
  dk_context_destroy(context);
  return failures;
}

int check_network_threads(dk_context *alone, dk_context *shared, uint32_t seed, int count) {
  static int32_t words[MOST_WORDS];
  static described_network described;
  int failures = 0;
  for (int i = 0; i < count; i++) {
    random_state random = {seed * 100000 + (uint32_t)i};
    describe_random(&random, &described);
    const int32_t length = describe_words(&described, false, words);
    running one, several;
    if (begin(&one, words, length) || begin(&several, words, length)) abort();
    fill(&one, &described, seed);
    fill(&several, &described, seed);
    failures += run(alone, &one) != DK_OK || run(shared, &several) != DK_OK || run(shared, &several) != DK_OK;
    for (int32_t output = 0; output < one.outputs; output++)
      if (memcmp(one.output[output], several.output[output], one.output_bytes[output]) != 0) {
        printf("FAILED network %d (seed %u), output %d: another result on several threads\n", i, seed,
               output);
        failures++;
      }
    end(&one);
    end(&several);
  }
  return failures;
}
