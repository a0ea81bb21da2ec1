/// Which commit of a ref may go live: only its head as the forge has it, whatever order deliveries came in.
///
/// Asked after each fetch and before a release directory exists, for jobs of the causes push, catch-up and retry. Manual jobs are
/// somebody's will: they deploy the commit they name, as long as the ref holds it or it was released before. git decides, not arrival, so no forced flag is needed (Data Center sends none).
/// With c the job's commit, H the head of the ref as just fetched and L the live commit, annotated tags peeled:
///
/// 1. The ref is gone: `superseded`. (One that was never here is waited for as in 2: it may be as new as that.)
/// 2. c is unknown, or H is a strict ancestor of c, and no change to H was accounted after c's: the forge may be behind its own
///    hook, so it is asked again for up to ``FetchRetry/patience``. A c that is still unknown then `failed`; H is looked at as in 3.
/// 3. c ≠ H: `superseded` by the job for H: one that waits or runs; or by any push that waits, for that asks for the head in its turn,
///    and H may be what a forge shows that is behind; none, when the last verdict of this app and ref was for H; else one that is
///    queued now.
/// 4. c = H = L: a push or catch-up is `superseded`, it is live already.
/// 5. c = H: go on; but a tag whose commit is a strict ancestor of an L that another tag brought is `superseded`.
package struct OrderRules: Sendable, Equatable {
    /// What git knows after a fetch.
    package struct Fetched: Sendable, Equatable, Codable {
        /// H; nil when the ref is gone.
        package var head: CommitID?
        /// What the ref names: H, or the annotated tag that names H. Forges send either.
        package var headObject: CommitID?
        /// c; nil when it is not in the mirror.
        package var commit: CommitID?
        package var headIsStrictAncestorOfCommit: Bool
        package var commitIsStrictAncestorOfLive: Bool
        /// Whether the ref holds c, as its head or before it. Asked for manual jobs only.
        package var refHoldsCommit = true
        /// Whether the ref was there at an earlier fetch.
        package var refWasKnown: Bool
        /// What H holds; nil when the ref is gone.
        package var facts: CommitFacts?

        package init(
            head: CommitID?, headObject: CommitID?, commit: CommitID?, headIsStrictAncestorOfCommit: Bool = false,
            commitIsStrictAncestorOfLive: Bool = false, refWasKnown: Bool = true, facts: CommitFacts? = nil
        ) {
            self.facts = facts
            self.refWasKnown = refWasKnown
            self.head = head
            self.headObject = headObject
            self.commit = commit
            self.headIsStrictAncestorOfCommit = headIsStrictAncestorOfCommit
            self.commitIsStrictAncestorOfLive = commitIsStrictAncestorOfLive
        }
    }

    /// What the ledger knows of the job's app and ref.
    package struct Known: Sendable, Equatable {
        /// Whether a change of the ref to H was accounted after the job's own change.
        package var headAccountedAfter: Bool
        /// Another job for H, queued or running; where there is none, a push for any commit that waits.
        package var jobForHead: Int64?
        /// Whether the last job that came to a verdict was for H.
        package var lastVerdictWasForHead: Bool
        package var live: Live?
        /// Whether c was released before. Asked for manual jobs only.
        package var wasReleased = false

        package struct Live: Sendable, Equatable {
            package var release: Int64
            package var commit: CommitID
            package var ref: RefName?

            package init(release: Int64, commit: CommitID, ref: RefName?) {
                self.release = release
                self.commit = commit
                self.ref = ref
            }
        }

        package init(headAccountedAfter: Bool, jobForHead: Int64?, lastVerdictWasForHead: Bool, live: Live?) {
            self.headAccountedAfter = headAccountedAfter
            self.jobForHead = jobForHead
            self.lastVerdictWasForHead = lastVerdictWasForHead
            self.live = live
        }
    }

    package enum Decision: Sendable, Equatable {
        /// c is the head: deploy it.
        case goOn
        /// The forge may be behind; ask it again.
        case fetchAgain
        /// The job ends; `queueHead`: the head needs a job of its own, and a superseded one is superseded by that.
        case end(JobEnd, queueHead: Bool)
    }

    let ref: RefName
    let cause: Job.Cause
    /// As the job has it; may be an annotated tag.
    let commit: CommitID

    package init(ref: RefName, cause: Job.Cause, commit: CommitID) {
        self.ref = ref
        self.cause = cause
        self.commit = commit
    }

    /// - Parameter patienceIsOver: the forge was asked for ``FetchRetry/patience``.
    package func decide(_ fetched: Fetched, _ known: Known, patienceIsOver: Bool) -> Decision {
        if cause == .manual { return decideManual(fetched, known, patienceIsOver: patienceIsOver) }
        guard let head = fetched.head else {
            // A ref that was never seen here may be so new that the forge does not serve it yet.
            if !fetched.refWasKnown, !patienceIsOver { return .fetchAgain }
            return .end(JobEnd(.superseded, "\(SafeText.shown(ref.full)) was deleted"), queueHead: false)
        }
        let mayBeBehind = fetched.commit == nil || fetched.headIsStrictAncestorOfCommit
        if mayBeBehind, !known.headAccountedAfter, !patienceIsOver { return .fetchAgain }
        guard let commit = fetched.commit else { return .end(unknown(head, known), queueHead: needsJob(known)) }
        guard commit == head else { return .end(Self.notTheHead(head, known), queueHead: needsJob(known)) }
        return headItself(commit, fetched, known)
    }

    private func decideManual(_ fetched: Fetched, _ known: Known, patienceIsOver: Bool) -> Decision {
        guard fetched.commit != nil else {
            return patienceIsOver ? .end(.neverAppeared(commit, on: ref), queueHead: false) : .fetchAgain
        }
        guard fetched.refHoldsCommit || known.wasReleased else {
            return .end(.notOn(commit, ref), queueHead: false)
        }
        return .goOn
    }

    private func unknown(_ head: CommitID, _ known: Known) -> JobEnd {
        // A head that was accounted after it has taken its place; a commit nobody ever saw is a failure to be looked at.
        guard !known.headAccountedAfter else { return Self.notTheHead(head, known) }
        return .neverAppeared(commit, on: ref)
    }

    private func headItself(_ commit: CommitID, _ fetched: Fetched, _ known: Known) -> Decision {
        guard let live = known.live else { return .goOn }
        if live.commit == commit, cause == .push || cause == .catchUp {
            return .end(.alreadyLive(asRelease: live.release), queueHead: false)
        }
        if ref.kind == .tag, let other = live.ref, other.kind == .tag, other != ref, fetched.commitIsStrictAncestorOfLive {
            return .end(JobEnd(.superseded, "\(SafeText.shown(other.shortName)), which is live, is newer"), queueHead: false)
        }
        return .goOn
    }

    private func needsJob(_ known: Known) -> Bool {
        known.jobForHead == nil && !known.lastVerdictWasForHead
    }

    private static func notTheHead(_ head: CommitID, _ known: Known) -> JobEnd {
        known.jobForHead.map { .superseded(by: $0) } ?? JobEnd(.superseded, "\(head.short) is the head and had its job")
    }
}
