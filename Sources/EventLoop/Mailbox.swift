import Synchronization

/// What other threads hand to a loop: jobs of its executor and posted closures. The only part of a loop behind a lock.
final class Mailbox: Sendable {
  enum Letter: Sendable {
    case job(UnownedJob)
    case body(@Sendable () -> Void)
  }

  private struct State {
    var letters: [Letter] = []
    var ownerSleeps = false
  }

  private let state = Mutex(State())
  /// Lets the owner look for mail without the lock, once a turn.
  private let hasMail = Atomic<Bool>(false)

  /// Leaves a letter; true if the owner sleeps and must be woken by the caller.
  func deliver(_ letter: Letter) -> Bool {
    state.withLock { state in
      state.letters.append(letter)
      hasMail.store(true, ordering: .releasing)
      let mustWake = state.ownerSleeps
      state.ownerSleeps = false
      return mustWake
    }
  }

  /// True if mail may have come since the last ``collect()``.
  var isEmpty: Bool { !hasMail.load(ordering: .acquiring) }

  func collect() -> [Letter] {
    state.withLock { state in
      hasMail.store(false, ordering: .relaxed)
      let letters = state.letters
      state.letters = []
      return letters
    }
  }

  /// Says that the owner is about to sleep; false if it must not, because mail is there.
  func prepareToSleep() -> Bool {
    state.withLock { state in
      state.ownerSleeps = state.letters.isEmpty
      return state.ownerSleeps
    }
  }

  func wokeUp() { state.withLock { $0.ownerSleeps = false } }
}
