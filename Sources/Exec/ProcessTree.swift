import Glibc

/// All processes of one command: the process group it leads or led, and whatever carries its job's mark.
struct ProcessTree: Sendable {
    /// While a member lives, the kernel gives the group's number to nobody else; not so afterwards.
    private(set) var group: pid_t?
    let mark: JobMark?
    /// Nothing of it began before this one.
    private let first: pid_t

    /// - Parameter group: nil: there is none any more.
    init(group: pid_t?, mark: JobMark?) {
        self.group = group
        self.mark = mark
        first = group ?? 0
    }

    /// Who there is to end, addressed as kill(2) does: a process by its number, the group by its negative number.
    typealias Addresses = Set<pid_t>

    /// Sends a signal to all that live but for those who are `spared`; the processes of the group get it as one.
    /// - Returns: all that lived, also those who were spared.
    func send(_ signal: Int32, sparing spared: Addresses = []) -> Addresses {
        var living: Addresses = []
        if let group, kill(-group, spared.contains(-group) ? 0 : signal) == 0, isAlive(group: group) { living.insert(-group) }
        if let mark { living.formUnion(mark.send(signal, sparing: spared, outside: group, since: first)) }
        return living
    }

    /// Ends all of it and waits until it is gone: TERM to each that was not `asked` before, and KILL to what is there after `grace`,
    /// again and again. What will not even die of that is given up after `patience`: the kernel has it.
    /// - Returns: whom it found.
    @discardableResult
    func end(asked: Addresses = [], grace: Duration, patience: Duration) async -> Addresses {
        let killing = ContinuousClock.now + grace
        let givingUp = max(killing, .now) + patience
        var tree = self
        var found = asked
        var pause: Duration = .milliseconds(10)
        while true {
            let now = ContinuousClock.now
            let living = now < killing ? tree.send(SIGTERM, sparing: found) : tree.send(SIGKILL)
            guard !living.isEmpty, now < givingUp else { return found.union(living) }
            if living.isSubset(of: found) {
                // Whoever takes his time is looked at less and less often.
                pause = min(pause * 2, .milliseconds(160))
                try? await Task.sleep(for: pause)  // cancelled: the same
            } else {
                // Where there is somebody new there may soon be more: look again at once.
                pause = .milliseconds(10)
                await Task.yield()
            }
            found.formUnion(living)
            if let group, !living.contains(-group) { tree.group = nil }
        }
    }

    /// Whether a process group has a member that is more than a zombie. Dead members that nobody has waited for yet are none of ours:
    /// their parent, or init, may take its time.
    private func isAlive(group: pid_t) -> Bool {
        ProcessFiles.all().contains { process in
            guard let status = ProcessFiles.status(of: process) else { return false }
            return status.isAlive && status.group == group
        }
    }
}
