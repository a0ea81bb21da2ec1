import RealParts
import Testing

@testable import Domain

struct ReleaseRetentionTests {
    /// A history of activations, failures and rollbacks, as the ledger keeps it.
    private struct History {
        var releases: [Release] = []
        var time: Int64 = 0

        mutating func build(failsBeforeLive: Bool) throws {
            time += 1
            let id = (releases.map(\.id).max() ?? 0) + 1
            releases.append(
                Release(
                    app: "shop", id: id, commit: try commit("a"), path: "/srv/shop/releases/\(id)", state: .building,
                    createdAt: Timestamp(milliseconds: time)))
            if failsBeforeLive { fail(id) } else { activate(id) }
        }

        mutating func fail(_ id: Int64) {
            guard let index = releases.firstIndex(where: { $0.id == id }) else { return }
            releases[index].failedAt = Timestamp(milliseconds: time)
            if releases[index].state == .building { releases[index].state = .failed }
        }

        mutating func activate(_ id: Int64) {
            time += 1
            for index in releases.indices where releases[index].state == .live && releases[index].id != id {
                releases[index].state = releases[index].failedAt == nil ? .good : .failed
            }
            guard let index = releases.firstIndex(where: { $0.id == id }) else { return }
            releases[index].state = .live
            releases[index].activatedAt = Timestamp(milliseconds: time)
        }
    }

    @Test("in whatever history, the live release and the good one before are kept, and no more than is wanted")
    func histories() throws {
        let seed = SeededRandom.seed
        print("histories of releases: BITTERN_TEST_SEED=\(seed)")
        var random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            var history = History()
            let keep = Int.random(in: 1...4, using: &random)
            for _ in 0..<Int.random(in: 1...25, using: &random) {
                switch Int.random(in: 0..<6, using: &random) {
                case 0: try history.build(failsBeforeLive: true)
                case 1:
                    // It failed while it was live.
                    if let live = history.releases.first(where: { $0.state == .live }) { history.fail(live.id) }
                case 2:
                    // By hand, or because the newer one failed.
                    if let good = history.releases.filter({ $0.state == .good }).randomElement(using: &random) { history.activate(good.id) }
                default: try history.build(failsBeforeLive: false)
                }
                let before = history.releases
                let goBack = before.filter { $0.state == .good && $0.failedAt == nil }
                    .max { ($0.activatedAt ?? $0.createdAt) < ($1.activatedAt ?? $1.createdAt) }
                let needed = Set(before.filter { _ in Int.random(in: 0..<9, using: &random) == 0 }.map(\.id))
                let gone = Set(ReleaseRetention.removable(before, keep: keep, needed: needed).map(\.id))
                history.releases.removeAll { gone.contains($0.id) }
                let kept = history.releases
                #expect(kept.contains { $0.state == .live } == before.contains { $0.state == .live })
                #expect(goBack == nil || kept.contains { $0.id == goBack?.id })
                #expect(needed.isDisjoint(with: gone))
                let free = kept.filter { !needed.contains($0.id) }
                // The two that always stay may be older than the newest.
                #expect(free.count { $0.state == .good || $0.state == .live } <= keep + 2)
                #expect(free.count { $0.state == .failed } <= 2)
                #expect(gone.allSatisfy { id in before.first { $0.id == id }.map { $0.state == .good || $0.state == .failed } ?? false })
                let newest = before.filter { $0.state == .good || $0.state == .live }.map(\.id).sorted().suffix(keep)
                #expect(Set(newest).isDisjoint(with: gone))
            }
        }
    }

    @Test("a release that is being built is left alone")
    func building() throws {
        var history = History()
        for _ in 0..<5 { try history.build(failsBeforeLive: false) }
        history.releases[0].state = .building
        #expect(ReleaseRetention.removable(history.releases, keep: 1, needed: []).map(\.id) == [3, 2])
    }
}
