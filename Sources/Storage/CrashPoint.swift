#if DEBUG
    import GRDB
    import Glibc
    import Synchronization

    /// A place beside one of the ledger's commits at which the daemon kills itself, for the kill loop in Tests/TortureTests. Only debug
    /// builds have it.
    ///
    /// `BITTERN_CRASH_AT=claim.before:3` is SIGKILL the third time `claim` is about to commit, all its statements done; `claim.after:3`
    /// when that is committed and nobody was told. Verbs are the ledger's functions that write, by what stands before the bracket.
    struct CrashPoint: Sendable {
        private enum Side: String { case before, after }

        private let verb: Substring
        private let side: Side
        private let time: Int

        /// nil when the environment, which is read once, names none.
        private static let wanted = getenv("BITTERN_CRASH_AT").map { CrashPoint(String(cString: $0)) }
        /// How often the wanted one was passed.
        private static let passed = Mutex(0)

        private init(_ text: String) {
            let words = text.split(separator: ":")
            let place = words.first?.split(separator: ".") ?? []
            guard words.count == 2, let time = Int(words[1]), place.count == 2, let side = Side(rawValue: String(place[1])) else {
                preconditionFailure("BITTERN_CRASH_AT is \(text), not VERB.before:COUNT or VERB.after:COUNT")
            }
            verb = place[0]
            self.side = side
            self.time = time
        }

        /// To be called when all statements of the verb's transaction are done.
        static func willCommit(_ verb: StaticString, in database: Database) {
            guard let wanted else { return }
            wanted.pass(.before, verb)
            // On the writer's queue, before anybody else has it and before the caller goes on.
            database.afterNextTransaction { _ in wanted.pass(.after, verb) }
        }

        private func pass(_ side: Side, _ verb: StaticString) {
            guard side == self.side, verb.description.prefix(while: { $0 != "(" }) == self.verb else { return }
            let isTime = Self.passed.withLock { passed in
                passed += 1
                return passed == time
            }
            if isTime { kill(getpid(), SIGKILL) }
        }
    }
#endif
