import Testing

@testable import Domain

struct QueuePlaceTests {
    private static let hold = Hold(
        app: "shop", heldAt: Timestamp(milliseconds: 0), until: Timestamp(milliseconds: 1), reason: "a freeze", by: "ada")

    private static func waiting(_ id: Int64, _ app: String = "shop", lock: String? = nil, cause: Job.Cause = .push) throws
        -> QueuePlace.Waiting
    {
        var job = try job(id, ref: nil, cause: cause)
        job.app = app
        return QueuePlace.Waiting(job: job, lock: lock ?? app)
    }

    @Test("a job that nothing stands in the way of is about to start")
    func starts() throws {
        var place = QueuePlace(running: [:], holds: [:], shortages: [:], workers: 1)
        #expect(place.waits(try Self.waiting(1)) == "it is about to start")
    }

    @Test("a job waits behind the one that runs with its lock, which may be another app's")
    func behindRunning() throws {
        var place = QueuePlace(running: ["host": 7], holds: [:], shortages: [:], workers: 4)
        #expect(place.waits(try Self.waiting(8, "blog", lock: "host")) == "behind job 7")
        #expect(place.waits(try Self.waiting(9, "shop")) == "it is about to start")
    }

    @Test("of jobs with one lock the first waits for its own reason, and every other behind the first or the one that runs")
    func behindQueued() throws {
        var place = QueuePlace(running: [:], holds: [:], shortages: [:], workers: 0)
        #expect(place.waits(try Self.waiting(1)) == "there are no workers (workers: 0)")
        #expect(place.waits(try Self.waiting(2)) == "behind job 1")
        #expect(place.waits(try Self.waiting(3)) == "behind job 1")
        #expect(place.waits(try Self.waiting(4, "blog")) == "there are no workers (workers: 0)")
    }

    @Test("a hold is the reason before all others, for pushes and what was caught up with alone", arguments: Job.Cause.allCases)
    func held(cause: Job.Cause) throws {
        let shortages = ["shop": "only 3 MB are free"]
        var place = QueuePlace(running: ["shop": 1], holds: ["shop": Self.hold], shortages: shortages, workers: 0)
        let isHeld = [.push, .catchUp].contains(cause)
        #expect(place.waits(try Self.waiting(2, cause: cause)) == (isHeld ? "shop is held" : "behind job 1"))
    }

    @Test("a held job takes no lock, so nobody is behind it")
    func heldTakesNoLock() throws {
        var place = QueuePlace(running: [:], holds: ["shop": Self.hold], shortages: [:], workers: 1)
        #expect(place.waits(try Self.waiting(1)) == "shop is held")
        #expect(place.waits(try Self.waiting(2, cause: .manual)) == "it is about to start")
        #expect(place.waits(try Self.waiting(3, cause: .manual)) == "behind job 2")
    }

    @Test("a shortage is told by the first of the jobs it holds up, before missing workers")
    func shortage() throws {
        var place = QueuePlace(running: [:], holds: [:], shortages: ["shop": "only 3 MB are free"], workers: 0)
        #expect(place.waits(try Self.waiting(1)) == "only 3 MB are free")
        #expect(place.waits(try Self.waiting(2)) == "behind job 1")
        #expect(place.waits(try Self.waiting(3, "blog")) == "there are no workers (workers: 0)")
    }

    @Test("where every worker has a job the next waits for one")
    func busy() throws {
        var place = QueuePlace(running: ["a": 1, "b": 2], holds: [:], shortages: [:], workers: 2)
        #expect(place.waits(try Self.waiting(3)) == "for a free worker")
        // Fewer of them since a reload.
        place = QueuePlace(running: ["a": 1, "b": 2], holds: [:], shortages: [:], workers: 1)
        #expect(place.waits(try Self.waiting(3)) == "for a free worker")
    }
}
