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

int check_network(uint32_t seed, int count) {
  static int32_t words[MOST_WORDS];
  dk_context *context = dk_context_create();
  int failures = 0;
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
