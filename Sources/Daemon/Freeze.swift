#if DEBUG
    import Glibc
    import NIOCore
    import NIOPosix
    import Storage

    /// Lets a part of the daemon stand still, for tests of the watchdog. Only debug builds have it.
    ///
    /// `BITTERN_FREEZE=ledger:PATH`, `dispatcher:PATH` or `listener:PATH` stops that part as soon as there is a file at PATH.
    enum Freeze {
        static func whenAsked(ledger: Ledger, dispatcher: Dispatcher) {
            guard let text = getenv("BITTERN_FREEZE").map({ String(cString: $0) }) else { return }
            let words = text.split(separator: ":", maxSplits: 1).map(String.init)
            precondition(words.count == 2, "BITTERN_FREEZE is \(text), not PART:PATH")
            Task {
                while access(words[1], F_OK) != 0 { try await Task.sleep(for: .milliseconds(20)) }
                switch words[0] {
                case "ledger": ledger.freeze()
                case "dispatcher": await dispatcher.freeze()
                case "listener":
                    for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() { loop.execute { standStill() } }
                case let other: preconditionFailure("BITTERN_FREEZE names \(other), which cannot be stopped")
                }
            }
        }

        static func standStill() {
            while true { sleep(3600) }
        }
    }
#endif
