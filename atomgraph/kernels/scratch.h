// Memory for results of unknown size, allocated in pieces. Some pieces are reused by later calls, because allocating new memory takes
// longer than the computation.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace atomgraph {

class Scratch {
  public:
    using Piece = std::unique_ptr<std::int32_t[]>;
    static constexpr std::int64_t SIZE = 1 << 16;  // numbers in a piece, 256 KiB
    static constexpr std::size_t MAX_REUSED = 64;  // maximum number of pieces that are kept for reuse

    Scratch() = default;
    Scratch(Scratch &&) = default;
    ~Scratch() {
        for (Piece &piece : pieces_) store_piece(std::move(piece));
    }

    // Returns memory for n consecutive numbers. The next call returns the same memory unless `use` has marked numbers as used.
    std::int32_t *reserve(std::int64_t n) {
        if (end_ - next_ >= n) return next_;
        if (n > SIZE) {
            large_.emplace_back(new std::int32_t[n]);
            next_ = large_.back().get(), end_ = next_ + n;
        } else {
            pieces_.push_back(get_piece());
            next_ = pieces_.back().get(), end_ = next_ + SIZE;
        }
        return next_;
    }
    // Mark the numbers before `end` as used.
    void use(std::int32_t *end) { next_ = end; }

  private:
    std::vector<Piece> pieces_, large_;
    std::int32_t *next_ = nullptr, *end_ = nullptr;

    // Pieces for reuse by all threads.
    struct Pool {
        std::atomic<bool> busy{false};
        std::vector<Piece> pieces;
    };
    static Pool &pool() {
        static Pool *instance = new Pool;  // never destroyed, because threads may still run after the end of main
        return *instance;
    }
    static Piece get_piece() {
        Pool &reused = pool();
        Piece piece;
        if (!reused.busy.exchange(true)) {
            if (!reused.pieces.empty()) piece = std::move(reused.pieces.back()), reused.pieces.pop_back();
            reused.busy = false;
        }
        return piece ? std::move(piece) : Piece(new std::int32_t[SIZE]);
    }
    static void store_piece(Piece piece) {
        Pool &reused = pool();
        if (reused.busy.exchange(true)) return;  // another thread uses the pool, or used it when this process was forked
        if (reused.pieces.capacity() == 0) reused.pieces.reserve(MAX_REUSED);
        if (reused.pieces.size() < MAX_REUSED) reused.pieces.push_back(std::move(piece));
        reused.busy = false;
    }
};

}  // namespace atomgraph
