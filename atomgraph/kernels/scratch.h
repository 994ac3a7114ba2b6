// Memory for results of unknown size, in pieces. Some pieces are kept between calls, because new memory takes longer than the work.
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
    static constexpr std::size_t MOST_KEPT = 64;

    Scratch() = default;
    Scratch(Scratch &&) = default;
    ~Scratch() {
        for (Piece &piece : pieces_) give_back(std::move(piece));
    }

    // Memory for n consecutive numbers, after those in use.
    std::int32_t *reserve(std::int64_t n) {
        if (end_ - next_ >= n) return next_;
        if (n > SIZE) {
            large_.emplace_back(new std::int32_t[n]);
            next_ = large_.back().get(), end_ = next_ + n;
        } else {
            pieces_.push_back(take());
            next_ = pieces_.back().get(), end_ = next_ + SIZE;
        }
        return next_;
    }
    void use(std::int32_t *end) { next_ = end; }

  private:
    std::vector<Piece> pieces_, large_;
    std::int32_t *next_ = nullptr, *end_ = nullptr;

    struct Kept {
        std::atomic<bool> busy{false};
        std::vector<Piece> pieces;
    };
    static Kept &kept() {
        static Kept *all = new Kept;  // never destroyed: threads may outlive the end of main
        return *all;
    }
    static Piece take() {
        Kept &all = kept();
        Piece piece;
        if (!all.busy.exchange(true)) {
            if (!all.pieces.empty()) piece = std::move(all.pieces.back()), all.pieces.pop_back();
            all.busy = false;
        }
        return piece ? std::move(piece) : Piece(new std::int32_t[SIZE]);
    }
    static void give_back(Piece piece) {
        Kept &all = kept();
        if (all.busy.exchange(true)) return;  // in use by another thread, or when this process was forked
        if (all.pieces.capacity() == 0) all.pieces.reserve(MOST_KEPT);
        if (all.pieces.size() < MOST_KEPT) all.pieces.push_back(std::move(piece));
        all.busy = false;
    }
};

}  // namespace atomgraph
