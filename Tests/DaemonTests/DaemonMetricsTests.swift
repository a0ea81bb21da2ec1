import Domain
import Storage
import Testing

@testable import Daemon

@Suite struct DaemonMetricsTests {
    private let metrics = DaemonMetrics(version: "1.2.3", startedAt: Timestamp(milliseconds: 1_700_000_000_250))

    private func lines(_ measure: LedgerMeasure? = nil, apps: [String] = ["shop"], at milliseconds: Int64 = 0) -> [Substring] {
        metrics.text(measure, apps: apps, at: Timestamp(milliseconds: milliseconds)).split(separator: "\n")
    }

    @Test("every answer and every end of a job is there before it happens")
    func zeros() {
        let lines = lines()
        for answer in ["200", "202", "400", "401", "404", "405", "413", "415", "503", "other"] {
            #expect(lines.contains("bittern_deliveries_total{answer=\"\(answer)\"} 0"))
        }
        for state in ["succeeded", "failed", "cancelled", "superseded", "skipped"] {
            #expect(lines.contains("bittern_jobs_total{app=\"shop\",state=\"\(state)\"} 0"))
        }
        #expect(!lines.contains { $0.contains("state=\"queued\"") || $0.contains("state=\"running\"") })
        #expect(lines.contains("bittern_catch_up_finds_total 0"))
        #expect(lines.contains("bittern_series_refused_total 0"))
        #expect(lines.contains("bittern_start_time_seconds 1700000000.25"))
        #expect(lines.contains("bittern_build_info{version=\"1.2.3\"} 1"))
    }

    @Test("what happens is counted")
    func counted() {
        metrics.answered(202)
        metrics.answered(202)
        metrics.answered(418)
        metrics.jobEnded(app: "old", state: .failed)
        metrics.jobEnded(app: "old", state: .queued)
        metrics.stepEnded(app: "shop", step: "fetch", took: .milliseconds(1500))
        metrics.stepEnded(app: "shop", step: "fetch", took: .milliseconds(-20))
        metrics.missedPushFound()
        let lines = lines()
        #expect(lines.contains("bittern_deliveries_total{answer=\"202\"} 2"))
        #expect(lines.contains("bittern_deliveries_total{answer=\"other\"} 1"))
        #expect(lines.contains("bittern_jobs_total{app=\"old\",state=\"failed\"} 1"))
        #expect(lines.contains("bittern_step_duration_seconds_bucket{app=\"shop\",step=\"fetch\",le=\"0.1\"} 1"))
        #expect(lines.contains("bittern_step_duration_seconds_sum{app=\"shop\",step=\"fetch\"} 1.5"))
        #expect(lines.contains("bittern_catch_up_finds_total 1"))
    }

    @Test("what the ledger holds is told as it is now")
    func measured() throws {
        let commit = try #require(CommitID(bytes: [UInt8](repeating: 0xAB, count: 20)))
        let measure = LedgerMeasure(
            queued: [
                "shop": .init(jobs: 2, oldest: Timestamp(milliseconds: 1000)),
                "gone": .init(jobs: 1, oldest: Timestamp(milliseconds: 2500)),
            ],
            running: ["blog": 1], live: ["shop": .init(id: 41, commit: commit)], held: ["blog"], bytes: 4096)
        let lines = lines(measure, apps: ["blog", "shop"], at: 4000)
        #expect(
            lines.filter { $0.hasPrefix("bittern_jobs{") } == [
                "bittern_jobs{app=\"blog\",state=\"queued\"} 0", "bittern_jobs{app=\"blog\",state=\"running\"} 1",
                "bittern_jobs{app=\"gone\",state=\"queued\"} 1", "bittern_jobs{app=\"gone\",state=\"running\"} 0",
                "bittern_jobs{app=\"shop\",state=\"queued\"} 2", "bittern_jobs{app=\"shop\",state=\"running\"} 0",
            ])
        #expect(lines.contains("bittern_queue_oldest_seconds 3"))
        #expect(lines.filter { $0.hasPrefix("bittern_held") } == ["bittern_held{app=\"blog\"} 1", "bittern_held{app=\"shop\"} 0"])
        let live = "bittern_live_info{app=\"shop\",commit=\"\(String(repeating: "ab", count: 20))\",release=\"41\"} 1"
        #expect(lines.filter { $0.hasPrefix("bittern_live") } == [Substring(live)])
        #expect(lines.contains("bittern_ledger_bytes 4096"))
    }

    @Test("a ledger that cannot be read takes only its own numbers away")
    func noLedger() {
        let lines = lines(nil)
        #expect(lines.contains("bittern_deliveries_total{answer=\"503\"} 0"))
        #expect(!lines.contains { $0.contains("bittern_ledger_bytes") || $0.contains("bittern_queue_oldest_seconds") })
    }

    @Test("every total says since when it counts")
    func help() {
        for line in lines() where line.hasPrefix("# TYPE") && line.hasSuffix(" counter") {
            let name = line.split(separator: " ")[2]
            #expect(lines().contains { $0.hasPrefix("# HELP \(name) ") && $0.contains("since the daemon's start") }, "\(name)")
        }
    }
}
