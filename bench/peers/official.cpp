// Times a program on the official runtime's C++ libraries (the executorch wheel). In: FILE METHOD THREADS RUNS [SHAPE...]; inputs as etch
// makes them (cli/synth.h). Out: one JSON object: load and call times in milliseconds, anonymous memory.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

using namespace executorch::extension;
using executorch::runtime::EValue;

// The wheel ships the thread pool's library but not this header.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  size_t get_thread_count() const;
  bool _unsafe_reset_threadpool(uint32_t n);
};
ThreadPool *get_threadpool();
}  // namespace executorch::extension::threadpool

static double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

static long anonymous_kib() {
  long kib = 0;
  char line[256];
  FILE *f = fopen("/proc/self/status", "r");
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "RssAnon: %ld", &kib) == 1) break;
  if (f) fclose(f);
  return kib;
}

static TensorPtr make_input(executorch::aten::ScalarType type, std::vector<executorch::aten::SizesType> sizes) {
  size_t n = 1;
  for (auto s : sizes) n *= (size_t)s;
  using T = executorch::aten::ScalarType;
  if (type == T::Float) {
    std::vector<float> v(n);
    uint32_t seed = 1;
    for (auto &x : v) {
      seed = seed * 1664525u + 1013904223u;
      x = (float)((double)(seed >> 8) / 8388608.0 - 1.0);
    }
    return make_tensor_ptr(sizes, std::move(v));
  }
  if (type == T::Long) {
    std::vector<int64_t> v(n);
    for (size_t i = 0; i < n; i++) v[i] = sizes.size() == 1 ? (int64_t)i : 1;
    return make_tensor_ptr(sizes, std::move(v));
  }
  if (type == T::Bool) return make_tensor_ptr(sizes, std::vector<uint8_t>(n, 1), {}, {}, T::Bool);
  fprintf(stderr, "official: an input of a type that this program does not make\n");
  exit(1);
}

int main(int argc, char **argv) {
  if (argc < 5) return fprintf(stderr, "usage: official FILE METHOD THREADS RUNS [SHAPE...]\n"), 2;
  std::string method = argv[2];
  threadpool::get_threadpool()->_unsafe_reset_threadpool((uint32_t)atoi(argv[3]));
  int runs = atoi(argv[4]);
  double begin = now_ms();
  Module module(argv[1], Module::LoadMode::Mmap);
  auto loaded = module.load_method(method);
  if (loaded != executorch::runtime::Error::Ok) return fprintf(stderr, "official: cannot load (error %d)\n", (int)loaded), 1;
  double load = now_ms() - begin;
  auto meta = module.method_meta(method);
  std::vector<TensorPtr> keep;
  std::vector<EValue> inputs;
  for (size_t i = 0; i < meta->num_inputs(); i++) {
    auto t = meta->input_tensor_meta(i);
    std::vector<executorch::aten::SizesType> sizes(t->sizes().begin(), t->sizes().end());
    if ((int)i + 5 < argc) {
      char *p = argv[i + 5];
      for (auto &s : sizes) {
        s = (executorch::aten::SizesType)strtol(p, &p, 10);
        if (*p) p++;
      }
    }
    keep.push_back(make_input(t->scalar_type(), sizes));
    inputs.push_back(EValue(keep.back()));
  }
  printf("{\"load_ms\": %.3f, \"ms\": [", load);
  for (int r = -1; r < runs; r++) {
    begin = now_ms();
    auto out = module.execute(method, inputs);
    double took = now_ms() - begin;
    if (!out.ok()) return fprintf(stderr, "official: the call fails (error %d)\n", (int)out.error()), 1;
    if (r >= 0) printf("%s%.3f", r ? ", " : "", took);
  }
  printf("], \"anonymous_kib\": %ld, \"threads\": %zu}\n", anonymous_kib(), threadpool::get_threadpool()->get_thread_count());
}
