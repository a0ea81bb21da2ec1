import Glibc
import RealParts
import Testing

@Suite(.fewAtOnce) struct FullDiskTests {
    @Test(
        "on a full disk a delivery is answered 503 and comes again; what was answered 202 is there, and the daemon goes on by itself",
        .enabled(if: geteuid() == 0, "only root may mount a small file system"))
    func fullDisk() async throws {
        try await withTemporaryDirectory { directory in
            let small = try directory.makeDirectory("small")
            try await Shell.check(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small])
            try await withCleanup {
                try await withSite(config: "state_directory: \(small)\nworkers: 0\n") { site in
                    var number = 0
                    func deliver() async throws -> Answer {
                        number += 1
                        let commit = String(repeating: "0", count: 36) + String(1000 + number)
                        return try await site.deliver(CloudPush(repository: "acme/shop").branch("main", new: commit))
                    }
                    #expect(try await deliver().status == 202)
                    _ = try await Shell.run(["dd", "if=/dev/zero", "of=\(small)/fill", "bs=64k"])
                    // The ledger's own files may have room for some more.
                    var taken = 1
                    let refused = try await eventualValue("a refusal") { () -> Answer? in
                        let answer = try await deliver()
                        if answer.status == 202 { taken += 1 }
                        return answer.status == 202 ? nil : answer
                    }
                    #expect(refused.status == 503)
                    #expect(refused.headers["retry-after"] == "10")
                    #expect(refused.error?.contains(small) == false)
                    try await Shell.check(["rm", "\(small)/fill"])
                    try await eventually("the daemon to take deliveries again") { try await deliver().status == 202 }
                    let jobs = try await site.daemon.json("jobs", "--limit", "1000")
                    #expect(jobs.array.count == taken + 1)
                }
            } cleanup: {
                _ = try await Shell.run(["umount", "--lazy", small])
            }
        }
    }
}
