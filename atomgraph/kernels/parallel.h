// A loop shared by threads: each library that includes this owns its own few sleeping workers, and no OpenMP runtime is linked.
// After a fork the child makes workers of its own. A loop inside a loop, or from two threads at once, runs in its caller's thread.
// A source that alternates with an OpenMP program (torch's matrix products) defines WITH_OPENMP: its loops then run on that
// program's threads, which would else wait in a busy loop, on the very cores that the workers want.
#pragma once
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <new>
#include <thread>

#define ATOMGRAPH_API extern "C" __attribute__((visibility("default")))

namespace atomgraph {

using Job = void (*)(void *task, int thread);

// The OpenMP runtime that the process has loaded, if the source wants it; its threads do not survive a fork.
class OpenMP {
  public:
    // False where there is none.
    bool run(int n_threads, Job job, void *task) const {
        if (parallel_ == nullptr || process_ != getpid()) return false;
        struct Given {
            Job job;
            void *task;
            int (*thread)();
        } given{job, task, thread_};
        auto work = [](void *pointer) {
            const Given &given = *static_cast<const Given *>(pointer);
            given.job(given.task, given.thread());
        };
        parallel_(work, &given, static_cast<unsigned>(n_threads), 0);
        return true;
    }
    static const OpenMP &here() {
        static const OpenMP found;
        return found;
    }

  private:
    void (*parallel_)(void (*)(void *), void *, unsigned, unsigned) = nullptr;
    int (*thread_)() = nullptr;
    static inline const pid_t process_ = getpid();  // that has loaded the library

    OpenMP() {
#ifdef WITH_OPENMP
        void *parallel = dlsym(RTLD_DEFAULT, "GOMP_parallel"), *thread = dlsym(RTLD_DEFAULT, "omp_get_thread_num");
        Dl_info of_parallel, of_thread;
        if (parallel == nullptr || thread == nullptr || !dladdr(parallel, &of_parallel) || !dladdr(thread, &of_thread)) return;
        if (of_parallel.dli_fbase != of_thread.dli_fbase) return;  // two runtimes: neither is trusted
        parallel_ = reinterpret_cast<decltype(parallel_)>(parallel), thread_ = reinterpret_cast<int (*)()>(thread);
#endif
    }
};

class Workers {
  public:
    // Calls job(task, thread) on up to n_threads threads, the caller's own being thread 0; returns when all that began are
    // done. A job takes work until there is none, so a worker that wakes too late is not waited for.
    void run(int n_threads, Job job, void *task) {
        if (busy_.exchange(true)) return job(task, 0);
        if (OpenMP::here().run(n_threads, job, task)) {
            busy_ = false;
            return;
        }
        const int n_helpers = hire(n_threads - 1);
        {
            std::lock_guard<std::mutex> guard(mutex_);
            job_ = job, task_ = task, wanted_ = n_helpers, ++round_;
        }
        wake_.notify_all();
        job(task, 0);
        std::unique_lock<std::mutex> guard(mutex_);
        wanted_ = 0;
        done_.wait(guard, [this] { return running_ == 0; });
        busy_ = false;
    }

    // This process's workers; those of the parent did not come along through a fork.
    static Workers &mine() {
        static std::atomic<Workers *> all{nullptr};
        Workers *found = all.load();
        while (found == nullptr || found->process_ != getpid()) {
            Workers *made = new Workers;  // the old ones are never freed: their locks may be held by threads that are gone
            if (all.compare_exchange_strong(found, made)) return *made;
            delete made;
        }
        return *found;
    }

  private:
    int hire(int n) {
        try {
            while (n_workers_ < n) {
                std::thread(&Workers::work, this, n_workers_, round_).detach();
                ++n_workers_;
            }
        } catch (...) {  // the system gives no more threads
        }
        return std::min(n, n_workers_);
    }

    void work(int number, std::uint64_t seen) {
        std::unique_lock<std::mutex> guard(mutex_);
        for (;;) {
            wake_.wait(guard, [&] { return round_ != seen; });
            seen = round_;
            if (number >= wanted_) continue;
            ++running_;
            Job job = job_;
            void *task = task_;
            guard.unlock();
            job(task, number + 1);
            guard.lock();
            if (--running_ == 0) done_.notify_one();
        }
    }

    const pid_t process_ = getpid();
    std::atomic<bool> busy_{false};
    std::mutex mutex_;
    std::condition_variable wake_, done_;
    Job job_ = nullptr;
    void *task_ = nullptr;
    int n_workers_ = 0, wanted_ = 0, running_ = 0;
    std::uint64_t round_ = 0;
};

// work(begin, end, thread) over pieces of [0, n) of at most `piece`, handed out as threads get free; thread is in [0, n_threads).
// An exception in a piece ends the loop and comes out as std::bad_alloc.
template <class Work>
void parallel_for(int n_threads, std::int64_t n, std::int64_t piece, const Work &work) {
    struct Task {
        const Work &work;
        const std::int64_t n, piece;
        std::atomic<std::int64_t> next{0};
        std::atomic<bool> failed{false};
    } task{work, n, std::max<std::int64_t>(piece, 1)};
    const std::int64_t n_pieces = (n + task.piece - 1) / task.piece;
    auto job = [](void *pointer, int thread) {
        Task &task = *static_cast<Task *>(pointer);
        try {
            for (;;) {
                const std::int64_t begin = task.next.fetch_add(task.piece);
                if (begin >= task.n) return;
                task.work(begin, std::min(begin + task.piece, task.n), thread);
            }
        } catch (...) {
            task.failed = true;
            task.next = task.n;
        }
    };
    if (n <= 0) return;
    if (n_threads <= 1 || n_pieces <= 1) job(&task, 0);
    else Workers::mine().run(static_cast<int>(std::min<std::int64_t>(n_threads, n_pieces)), job, &task);
    if (task.failed) throw std::bad_alloc();
}

// The return code of an exported function: 0 on success, 1 if memory ran out; no exception leaves C++.
template <class Work>
int guarded(const Work &work) noexcept {
    try {
        work();
        return 0;
    } catch (...) {
        return 1;
    }
}

}  // namespace atomgraph
