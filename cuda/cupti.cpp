// The recorder of cuda/kernel_records.h by CUPTI's activity interface.
#include "cuda/kernel_records.h"
#include "tensor/error.h"

#if __has_include(<cupti.h>)

#include <cupti.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>

namespace az::cuda {
namespace {

#define AZ_CUPTI_FUNCTIONS(F)       \
  F(cuptiActivityRegisterCallbacks) \
  F(cuptiActivityEnable)            \
  F(cuptiActivityDisable)           \
  F(cuptiActivityFlushAll)          \
  F(cuptiActivityGetNextRecord)     \
  F(cuptiGetTimestamp)              \
  F(cuptiGetResultString)

struct Cupti {
#define AZ_POINTER(name) decltype(&::name) name = nullptr;
  AZ_CUPTI_FUNCTIONS(AZ_POINTER)
#undef AZ_POINTER
};

/// The library beside the toolkit or in the linker's folders; stays loaded.
void* open_library() {
  std::vector<std::string> files{"libcupti.so." + std::to_string(CUPTI_API_VERSION / 10000), "libcupti.so"};
  for (const char* name : {"CUDA_PATH", "CUDA_HOME"})
    if (const char* root = std::getenv(name); root && *root)
      for (const char* folder : {"/lib64/libcupti.so", "/extras/CUPTI/lib64/libcupti.so"})
        files.push_back(std::string(root) + folder);
  files.emplace_back("/usr/local/cuda/lib64/libcupti.so");
  files.emplace_back("/usr/local/cuda/extras/CUPTI/lib64/libcupti.so");
  for (const std::string& file : files)
    if (void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  fail("profile: cannot load CUPTI ({}); install the toolkit's CUPTI, or add its folder to LD_LIBRARY_PATH", files[0]);
}

const Cupti& cupti() {
  static const Cupti functions = [] {
    void* library = open_library();
    Cupti f;
#define AZ_RESOLVE(name)                                              \
  f.name = reinterpret_cast<decltype(f.name)>(dlsym(library, #name)); \
  AZ_CHECK(f.name, "profile: this CUPTI has no {}; install that of the toolkit", #name);
    AZ_CUPTI_FUNCTIONS(AZ_RESOLVE)
#undef AZ_RESOLVE
    return f;
  }();
  return functions;
}

void check(CUptiResult result, const char* what) {
  if (result == CUPTI_SUCCESS) return;
  const char* text = nullptr;
  cupti().cuptiGetResultString(result, &text);
  fail("profile: CUPTI could not {}: {}; profiling a GPU may want permission (NVreg_RestrictProfilingToAdminUsers)",
       what, text ? text : "unknown error");
}

// CUPTI's callbacks carry no pointer of ours, so what they fill is the process's.
std::mutex records_mutex;
std::vector<CUpti_ActivityKernel10> records;
std::vector<std::string> names;

constexpr size_t kBufferBytes = size_t{4} << 20;

void CUPTIAPI give_buffer(uint8_t** buffer, size_t* size, size_t* most_records) {
  *buffer = static_cast<uint8_t*>(std::aligned_alloc(8, kBufferBytes));
  *size = *buffer ? kBufferBytes : 0;
  *most_records = 0;
}

void CUPTIAPI take_buffer(CUcontext, uint32_t, uint8_t* buffer, size_t, size_t valid) {
  const std::lock_guard lock(records_mutex);
  CUpti_Activity* record = nullptr;
  while (cupti().cuptiActivityGetNextRecord(buffer, valid, &record) == CUPTI_SUCCESS) {
    if (record->kind != CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) continue;
    records.push_back(*reinterpret_cast<const CUpti_ActivityKernel10*>(record));
    names.emplace_back(records.back().name ? records.back().name : "");
  }
  std::free(buffer);
}

}  // namespace

KernelRecorder::KernelRecorder() {
  check(cupti().cuptiActivityRegisterCallbacks(give_buffer, take_buffer), "register");
  check(cupti().cuptiActivityEnable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL), "record kernels");
  check(cupti().cuptiGetTimestamp(&zero_), "tell the time");
}

KernelRecorder::~KernelRecorder() { cupti().cuptiActivityDisable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL); }

std::vector<KernelRecord> KernelRecorder::take() {
  check(cupti().cuptiActivityFlushAll(0), "flush");
  const std::lock_guard lock(records_mutex);
  std::vector<KernelRecord> found;
  for (size_t i = 0; i < records.size(); ++i) {
    const CUpti_ActivityKernel10& r = records[i];
    found.push_back({names[i],
                     static_cast<int64_t>(r.start - zero_),
                     static_cast<int64_t>(r.end - zero_),
                     {r.gridX, r.gridY, r.gridZ},
                     {r.blockX, r.blockY, r.blockZ},
                     r.registersPerThread,
                     int64_t{r.staticSharedMemory} + r.dynamicSharedMemory});
  }
  records.clear();
  names.clear();
  std::ranges::stable_sort(found, {}, &KernelRecord::begin_ns);
  return found;
}

}  // namespace az::cuda

#else

namespace az::cuda {

KernelRecorder::KernelRecorder() { fail("profile: this build has no CUPTI; build it where the toolkit has cupti.h"); }
KernelRecorder::~KernelRecorder() = default;
std::vector<KernelRecord> KernelRecorder::take() { return {}; }

}  // namespace az::cuda

#endif
