import Domain
import Foundation
import Testing

@testable import Storage

@Suite struct MeasureTests {
    @Test("an empty ledger holds nothing and still takes space")
    func empty() async throws {
        try await withLedger { house in
            let measure = try await house.ledger.measure(at: at(1000))
            #expect(measure == LedgerMeasure(queued: [:], running: [:], live: [:], held: [], bytes: measure.bytes))
            #expect(measure.bytes > 0)
        }
    }

    @Test("what waits and what runs is counted by app, with the time of the oldest that waits")
    func queue() async throws {
        try await withLedger { house in
            for app in ["blog", "shop"] { try await house.push("main", 1, 2, for: app) }
            try await house.accept(delivery(nil, moved("stage", nil, 3), at: 5000))
            try await house.accept(delivery(nil, moved("topic", nil, 4), at: 4000))
            try await house.claim(1)
            try await house.deploy(2)
            let measure = try await house.ledger.measure(at: at(6000))
            #expect(measure.running == ["blog": 1])
            #expect(measure.queued == ["shop": LedgerMeasure.Queue(jobs: 2, oldest: at(4000))])
            #expect(measure.live == ["shop": LedgerMeasure.LiveRelease(id: 2, commit: try commit(2))])
        }
    }

    @Test("an app is held until the hold ends")
    func held() async throws {
        try await withLedger { house in
            try await house.ledger.hold(Hold(app: "blog", heldAt: at(1000), until: nil, reason: nil, by: nil))
            try await house.ledger.hold(Hold(app: "shop", heldAt: at(1000), until: at(2000), reason: nil, by: nil))
            #expect(try await house.ledger.measure(at: at(1999)).held == ["blog", "shop"])
            #expect(try await house.ledger.measure(at: at(2000)).held == ["blog"])
        }
    }

    @Test("the write-ahead log counts as well")
    func bytes() async throws {
        try await withLedger { house in
            try await house.push("main", 1, 2)
            let sizes = try [house.path, house.path + "-wal"].map { try Data(contentsOf: URL(filePath: $0)).count }
            #expect(sizes[1] > 0)
            #expect(try await house.ledger.measure(at: at(1000)).bytes == Int64(sizes[0] + sizes[1]))
        }
    }
}
