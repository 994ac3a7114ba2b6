// Parallel loops. Each library that includes this file has its own worker threads, which sleep between loops; no OpenMP runtime is
// linked. After a fork, the child process creates new workers. A loop inside a loop, or a loop that starts while another thread runs
// a loop, runs in the thread of its caller. A source whose loops alternate with OpenMP loops (torch's matrix products) defines
// WITH_OPENMP. Its loops then run on the threads of the OpenMP runtime, which otherwise wait in a busy loop and occupy the cores.
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

// The OpenMP runtime that the process has loaded, if the source defines WITH_OPENMP. Threads of the runtime end at a fork.
class OpenMP {
  public:
    // Calls job(task, thread) on n_threads threads. Returns false if there is no OpenMP runtime that can be used.
    bool run(int n_threads, Job job, void *task) const {
        if (parallel_ == nullptr || process_ != getpid()) return false;
        struct Call {
            Job job;
            void *task;
            int (*thread)();
        } call{job, task, thread_};
        auto work = [](void *pointer) {
            const Call &call = *static_cast<const Call *>(pointer);
            call.job(call.task, call.thread());
        };
        parallel_(work, &call, static_cast<unsigned>(n_threads), 0);
        return true;
    }
    static const OpenMP &instance() {
        static const OpenMP runtime;
        return runtime;
    }

  private:
    void (*parallel_)(void (*)(void *), void *, unsigned, unsigned) = nullptr;
    int (*thread_)() = nullptr;
    static inline const pid_t process_ = getpid();  // the process that has loaded the library

    OpenMP() {
#ifdef WITH_OPENMP
        void *parallel = dlsym(RTLD_DEFAULT, "GOMP_parallel"), *thread = dlsym(RTLD_DEFAULT, "omp_get_thread_num");
        Dl_info parallel_info, thread_info;
        if (parallel == nullptr || thread == nullptr || !dladdr(parallel, &parallel_info) || !dladdr(thread, &thread_info)) return;
        if (parallel_info.dli_fbase != thread_info.dli_fbase) return;  // two runtimes are loaded: use none
        parallel_ = reinterpret_cast<decltype(parallel_)>(parallel), thread_ = reinterpret_cast<int (*)()>(thread);
#endif
    }
};

// The worker threads of a library. Each loop is a round: worker number k runs the job in thread k + 1 if k < n_helpers_.
class Workers {
  public:
    // Calls job(task, thread) on up to n_threads threads; the thread of the caller is thread 0. Each job does work until no work is
    // left. Returns when all jobs that have started are finished; workers that wake up later are not needed.
    void run(int n_threads, Job job, void *task) {
        if (busy_.exchange(true)) return job(task, 0);
        if (OpenMP::instance().run(n_threads, job, task)) {
            busy_ = false;
            return;
        }
        const int n_helpers = start_workers(n_threads - 1);
        {
            std::lock_guard<std::mutex> guard(mutex_);
            job_ = job, task_ = task, n_helpers_ = n_helpers, ++round_;
        }
        wake_.notify_all();
        job(task, 0);
        std::unique_lock<std::mutex> guard(mutex_);
        n_helpers_ = 0;
        done_.wait(guard, [this] { return running_ == 0; });
        busy_ = false;
    }

    // The workers of this process. Workers of the parent process do not exist after a fork.
    static Workers &instance() {
        static std::atomic<Workers *> shared{nullptr};
        Workers *current = shared.load();
        while (current == nullptr || current->process_ != getpid()) {
            Workers *created = new Workers;  // workers of the parent process are not freed, because their locks may be held
            if (shared.compare_exchange_strong(current, created)) return *created;
            delete created;
        }
        return *current;
    }

  private:
    // Starts threads until there are n workers. Returns the number of workers, at most n.
    int start_workers(int n) {
        try {
            while (n_workers_ < n) {
                std::thread(&Workers::work, this, n_workers_, round_).detach();
                ++n_workers_;
            }
        } catch (...) {  // the system cannot start more threads
        }
        return std::min(n, n_workers_);
    }

    // The function of worker `number`: runs one job per round, from the round after `last_round` on.
    void work(int number, std::uint64_t last_round) {
        std::unique_lock<std::mutex> guard(mutex_);
        for (;;) {
            wake_.wait(guard, [&] { return round_ != last_round; });
            last_round = round_;
            if (number >= n_helpers_) continue;
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
    int n_workers_ = 0, n_helpers_ = 0, running_ = 0;
    std::uint64_t round_ = 0;
};

// Calls work(begin, end, thread) for ranges of [0, n), each with at most `piece` numbers; thread is in [0, n_threads). A thread that has
// finished a piece takes the next one. An exception in a piece ends the loop, which then throws std::bad_alloc.
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
    else Workers::instance().run(static_cast<int>(std::min<std::int64_t>(n_threads, n_pieces)), job, &task);
    if (task.failed) throw std::bad_alloc();
}

// Calls work and returns the return code of an exported function: 0 on success, 1 after an exception (not enough memory).
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
