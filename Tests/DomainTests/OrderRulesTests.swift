import RealParts
import Testing

@testable import Domain

/// The order rules, one by one. The job is for `b` where nothing else is said; `a` is older, `d` is newer.
@Suite struct OrderRulesTests {
    private func rules(_ cause: Job.Cause = .push, tag name: String? = nil) throws -> OrderRules {
        OrderRules(ref: try name.map(tag) ?? branch("main"), cause: cause, commit: try commit("b"))
    }

    private func fetched(
        head: Character?, commit own: Character? = "b", headIsOlder: Bool = false, commitIsOlderThanLive: Bool = false,
        refWasKnown: Bool = true
    ) throws -> OrderRules.Fetched {
        OrderRules.Fetched(
            head: try head.map(commit), headObject: try head.map(commit), commit: try own.map(commit),
            headIsStrictAncestorOfCommit: headIsOlder, commitIsStrictAncestorOfLive: commitIsOlderThanLive, refWasKnown: refWasKnown)
    }

    private func known(
        accountedAfter: Bool = false, jobForHead: Int64? = nil, lastVerdict: Bool = false, live: Character? = nil,
        liveRef: RefName? = nil
    ) throws -> OrderRules.Known {
        OrderRules.Known(
            headAccountedAfter: accountedAfter, jobForHead: jobForHead, lastVerdictWasForHead: lastVerdict,
            live: try live.map { .init(release: 7, commit: try commit($0), ref: liveRef) })
    }

    // Rule 1.

    @Test("a ref that is gone ends the job at once, whatever is live or waits", arguments: [false, true])
    func gone(patienceIsOver: Bool) throws {
        let end = OrderRules.Decision.end(JobEnd(.superseded, "refs/heads/main was deleted"), queueHead: false)
        for own in ["b", nil] as [Character?] {
            let decision = try rules().decide(fetched(head: nil, commit: own), known(live: "b"), patienceIsOver: patienceIsOver)
            #expect(decision == end)
        }
    }

    @Test("a ref that was never here is waited for, and counts as deleted when patience is over")
    func neverKnown() throws {
        let missing = try fetched(head: nil, commit: nil, refWasKnown: false)
        #expect(try rules().decide(missing, known(), patienceIsOver: false) == .fetchAgain)
        #expect(
            try rules().decide(missing, known(), patienceIsOver: true)
                == .end(JobEnd(.superseded, "refs/heads/main was deleted"), queueHead: false))
    }

    @Test("the end of a deleted ref's job is no verdict on its commit")
    func goneIsNoVerdict() throws {
        guard case .end(let end, _) = try rules().decide(fetched(head: nil), known(), patienceIsOver: false) else {
            Issue.record("the job did not end")
            return
        }
        #expect(!end.isVerdict)
    }

    // Rule 2.

    @Test("a commit that is unknown here is waited for, also on a ref that was just seen first", arguments: [false, true])
    func unknownWaits(refWasKnown: Bool) throws {
        let unknown = try fetched(head: "a", commit: nil, refWasKnown: refWasKnown)
        #expect(try rules().decide(unknown, known(), patienceIsOver: false) == .fetchAgain)
        #expect(try rules().decide(unknown, known(jobForHead: 9, lastVerdict: true), patienceIsOver: false) == .fetchAgain)
    }

    @Test(
        "a commit that never came fails the job; the head gets a job unless it has one or had its verdict",
        arguments: [(nil, false, true), (9, false, false), (nil, true, false), (9, true, false)] as [(Int64?, Bool, Bool)])
    func unknownFails(jobForHead: Int64?, lastVerdict: Bool, queueHead: Bool) throws {
        let decision = try rules().decide(
            fetched(head: "a", commit: nil), known(jobForHead: jobForHead, lastVerdict: lastVerdict), patienceIsOver: true)
        guard case .end(let end, queueHead) = decision else {
            Issue.record("it went on: \(decision)")
            return
        }
        #expect(end.state == .failed && end.reason == String(repeating: "b", count: 40) + " never appeared on refs/heads/main")
        // The commit may yet come, and is nothing that was looked at.
        #expect(!end.isVerdict)
    }

    @Test("an unknown commit is not waited for once a change to the head came after it: the head's job takes its place")
    func unknownButAccountedAfter() throws {
        let unknown = try fetched(head: "d", commit: nil)
        for patienceIsOver in [false, true] {
            #expect(
                try rules().decide(unknown, known(accountedAfter: true, jobForHead: 9), patienceIsOver: patienceIsOver)
                    == .end(.superseded(by: 9), queueHead: false))
            let orphan = try rules().decide(unknown, known(accountedAfter: true), patienceIsOver: patienceIsOver)
            guard case .end(let end, queueHead: true) = orphan else {
                Issue.record("the head got no job: \(orphan)")
                continue
            }
            #expect(end.state == .superseded)
        }
    }

    @Test("a head that is older than the commit may be a forge behind its own hook, so it is waited for")
    func olderHeadWaits() throws {
        let behind = try fetched(head: "a", headIsOlder: true)
        for known in [try known(), try known(jobForHead: 9), try known(lastVerdict: true), try known(live: "b")] {
            #expect(try rules().decide(behind, known, patienceIsOver: false) == .fetchAgain)
        }
    }

    @Test("when patience is over, an older head is what the ref was forced back to: its job takes over")
    func olderHeadSupersedes() throws {
        let behind = try fetched(head: "a", headIsOlder: true)
        #expect(
            try rules().decide(behind, known(jobForHead: 9), patienceIsOver: true) == .end(.superseded(by: 9), queueHead: false))
        let orphan = try rules().decide(behind, known(), patienceIsOver: true)
        guard case .end(let end, queueHead: true) = orphan else {
            Issue.record("the head got no job: \(orphan)")
            return
        }
        #expect(end.state == .superseded)
    }

    @Test("an older head that was accounted after the commit was forced there: nobody waits")
    func olderHeadAccountedAfter() throws {
        let forced = try fetched(head: "a", headIsOlder: true)
        #expect(
            try rules().decide(forced, known(accountedAfter: true, jobForHead: 9), patienceIsOver: false)
                == .end(.superseded(by: 9), queueHead: false))
    }

    // Rule 3.

    @Test("a commit that is not the head gives way to the head's job and names it")
    func supersededByJob() throws {
        let decision = try rules().decide(fetched(head: "d"), known(jobForHead: 9, lastVerdict: true), patienceIsOver: false)
        guard case .end(let end, queueHead: false) = decision else {
            Issue.record("unexpected: \(decision)")
            return
        }
        #expect(end.state == .superseded)
        #expect(end.reason == "superseded by job 9")
        #expect(end.supersededBy == 9)
        #expect(!end.isVerdict)
    }

    @Test("a head that had its verdict needs no other job")
    func headHadItsJob() throws {
        #expect(
            try rules().decide(fetched(head: "d"), known(lastVerdict: true), patienceIsOver: false)
                == .end(JobEnd(.superseded, "ddddddd is the head and had its job"), queueHead: false))
    }

    @Test("a head that has neither a job nor a verdict gets a job", arguments: [Job.Cause.push, .catchUp, .retry])
    func headGetsJob(cause: Job.Cause) throws {
        let decision = try rules(cause).decide(fetched(head: "d"), known(live: "d"), patienceIsOver: false)
        guard case .end(let end, queueHead: true) = decision else {
            Issue.record("unexpected: \(decision)")
            return
        }
        #expect(end.state == .superseded)
    }

    @Test("a commit that is live but not the head gives way too")
    func liveIsNotTheHead() throws {
        #expect(
            try rules().decide(fetched(head: "d"), known(jobForHead: 9, live: "b"), patienceIsOver: false)
                == .end(.superseded(by: 9), queueHead: false))
    }

    // Rule 4.

    @Test("a push or catch-up of the head that is live already has nothing to do, and says so as a verdict", arguments: [true, false])
    func alreadyLive(isPush: Bool) throws {
        let decision = try rules(isPush ? .push : .catchUp).decide(fetched(head: "b"), known(live: "b"), patienceIsOver: false)
        guard case .end(let end, queueHead: false) = decision else {
            Issue.record("unexpected: \(decision)")
            return
        }
        #expect(end == .alreadyLive(asRelease: 7))
        #expect(end.reason == "already live as release 7")
        #expect(end.isVerdict)
    }

    @Test("a retry of the live head goes on")
    func retryOfLive() throws {
        #expect(try rules(.retry).decide(fetched(head: "b"), known(live: "b"), patienceIsOver: false) == .goOn)
    }

    // Rule 5.

    @Test("the head goes on, whatever is live and whatever was decided before", arguments: [nil, "a", "d"] as [Character?])
    func headGoesOn(live: Character?) throws {
        for known in [try known(live: live), try known(accountedAfter: true, jobForHead: 9, lastVerdict: true, live: live)] {
            for patienceIsOver in [false, true] {
                #expect(try rules().decide(fetched(head: "b"), known, patienceIsOver: patienceIsOver) == .goOn)
            }
        }
    }

    @Test("a branch goes on although the live commit is newer: it was forced back")
    func branchForcedBack() throws {
        let older = try fetched(head: "b", commitIsOlderThanLive: true)
        #expect(try rules().decide(older, known(live: "d", liveRef: branch("main")), patienceIsOver: false) == .goOn)
        #expect(try rules().decide(older, known(live: "d", liveRef: branch("next")), patienceIsOver: false) == .goOn)
    }

    @Test("a tag older than the tag that is live is superseded", arguments: [Job.Cause.push, .catchUp, .retry])
    func olderTag(cause: Job.Cause) throws {
        let older = try fetched(head: "b", commitIsOlderThanLive: true)
        #expect(
            try rules(cause, tag: "v1").decide(older, known(live: "d", liveRef: tag("v2")), patienceIsOver: false)
                == .end(JobEnd(.superseded, "v2, which is live, is newer"), queueHead: false))
    }

    @Test("a tag goes on where a branch, the same tag or nothing known is live, or where it is no older")
    func otherTags() throws {
        let older = try fetched(head: "b", commitIsOlderThanLive: true)
        let rules = try rules(tag: "v1")
        #expect(try rules.decide(older, known(live: "d", liveRef: branch("main")), patienceIsOver: false) == .goOn)
        #expect(try rules.decide(older, known(live: "d", liveRef: tag("v1")), patienceIsOver: false) == .goOn)
        #expect(try rules.decide(older, known(live: "d"), patienceIsOver: false) == .goOn)
        #expect(try rules.decide(fetched(head: "b"), known(live: "d", liveRef: tag("v2")), patienceIsOver: false) == .goOn)
    }

    // All of them.

    @Test("once patience is over, nothing is fetched again; only a superseded or failed job asks for a head's job; only the head goes on")
    func anyInput() throws {
        let seed = SeededRandom.seed
        var random = SeededRandom(seed: seed)
        for _ in 0..<20_000 {
            let head = (["a", "b", nil] as [Character?]).randomElement(using: &random) ?? nil
            let fetched = try fetched(
                head: head, commit: Bool.random(using: &random) ? "b" : nil, headIsOlder: Bool.random(using: &random),
                commitIsOlderThanLive: Bool.random(using: &random), refWasKnown: Bool.random(using: &random))
            let known = try known(
                accountedAfter: Bool.random(using: &random), jobForHead: Bool.random(using: &random) ? 9 : nil,
                lastVerdict: Bool.random(using: &random), live: (["a", "b", nil] as [Character?]).randomElement(using: &random) ?? nil,
                liveRef: [try tag("v2"), try branch("main"), nil].randomElement(using: &random) ?? nil)
            let cause = [Job.Cause.push, .catchUp, .retry].randomElement(using: &random) ?? .push
            let rules = try rules(cause, tag: Bool.random(using: &random) ? "v1" : nil)
            let comment: Comment = "BITTERN_TEST_SEED=\(seed): \(fetched), \(known)"
            switch rules.decide(fetched, known, patienceIsOver: true) {
            case .fetchAgain: Issue.record(comment)
            case .goOn: #expect(fetched.head != nil && fetched.commit == fetched.head, comment)
            case .end(let end, let queueHead):
                #expect(end.state == .superseded || end.state == .failed, comment)
                #expect(!queueHead || (known.jobForHead == nil && fetched.head != nil && fetched.head != fetched.commit), comment)
            }
        }
    }
}
