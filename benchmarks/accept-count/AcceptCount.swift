import Dispatch
import Domain
import Foundation
import Providers
import Storage
import Synchronization

// `accept-count DIRECTORY` takes the deliveries on its standard input in as the hooks listener does, one after the other, into a new ledger
// in DIRECTORY: verified, read, matched and stored. Its main is synchronous, because valgrind, which counts its instructions, ends programs
// whose main is not. A line is a request id, a signature and a body, with a tab between them (deliveries.py).

@main struct AcceptCount {
    private let secrets = [Secret("benchmark-secret-of-32-characters")]
    private let provider = BitbucketCloud()
    private let matcher: Matcher
    private let ledger: Ledger

    static func main() throws {
        guard CommandLine.arguments.count == 2 else { throw Trouble(sentence: "accept-count DIRECTORY < DELIVERIES") }
        let intake = try AcceptCount(directory: CommandLine.arguments[1])
        var now: Int64 = 1_790_000_000_000
        while let line = readLine() {
            try intake.take(line, at: Timestamp(milliseconds: now))
            now += 1
        }
        try intake.ledger.close()
    }

    private init(directory: String) throws {
        guard let repository = RepositoryName("acme/shop"), let all = Glob("**") else { throw Trouble(sentence: "no such name") }
        let app = App(
            name: "shop", account: "acme", repository: repository, cloneURL: directory, branches: [all], tags: [], root: directory)
        var names = RepositoryNames()
        names.add(id: "{11111111-2222-4333-8444-555555555555}", name: repository)
        matcher = Matcher(apps: [app], names: names)
        ledger = try Ledger(path: directory + "/bittern.db")
    }

    private func take(_ line: String, at now: Timestamp) throws {
        guard let first = line.utf8.firstIndex(of: UInt8(ascii: "\t")),
            let second = line.utf8[line.utf8.index(after: first)...].firstIndex(of: UInt8(ascii: "\t"))
        else { throw Trouble(sentence: "this is no delivery: \(line)") }
        let headers = Self.headers(id: line[..<first], signature: line[line.utf8.index(after: first)..<second])
        let start = line.utf8.distance(from: line.startIndex, to: second) + 1
        var line = line
        // By one copy, as a listener's buffer has it.
        let body = line.withUTF8 { Array($0.dropFirst(start)) }
        guard case .valid = Signature.check(provider.signature(headers), body: body, secrets: secrets) else {
            throw Trouble(sentence: "a signature is wrong")
        }
        let request = ReceivedRequest(headers: headers, remoteAddress: "127.0.0.1", receivedAt: now)
        let delivery = try provider.delivery(of: request, body: body, account: "acme", hookApp: nil, matcher: matcher)
        let stored = DispatchSemaphore(value: 0)
        let answer = Mutex<Result<AcceptedDelivery, LedgerError>?>(nil)
        ledger.accept(delivery) { result in
            answer.withLock { $0 = result }
            stored.signal()
        }
        stored.wait()
        guard try answer.withLock({ $0 })?.get().queuedAnything == true else { throw Trouble(sentence: "a push queued nothing") }
    }

    private static func headers(id: Substring, signature: Substring) -> WebhookHeaders {
        WebhookHeaders([
            (name: "Host", value: "127.0.0.1:8470"), (name: "Content-Type", value: "application/json"),
            (name: "X-Event-Key", value: "repo:push"), (name: "X-Request-UUID", value: String(id)),
            (name: "X-Hook-UUID", value: "4f5a1c1e-6f0a-4b0f-9d1c-8d6b3a8f1a11"), (name: "X-Attempt-Number", value: "1"),
            (name: "User-Agent", value: "Bitbucket-Webhooks/2.0"), (name: "X-Hub-Signature", value: "sha256=" + signature),
            (name: "Content-Length", value: "5520"),
        ])
    }
}

private struct Trouble: Error {
    let sentence: String
}
