import Domain
import Providers

private let kinds: [Account.Kind] = [.bitbucketCloud, .bitbucketDataCenter]
private let events = ["repo:push", "repo:refs_changed", "diagnostics:ping", "pullrequest:created"]

/// Any body is read as the event it is said to be, or is malformed with a sentence. The first byte says whose it is and which.
@_cdecl("LLVMFuzzerTestOneInput")
public func tryDelivery(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    guard count > 0, let provider = provider(for: kinds[Int(bytes[0] & 1)]) else { return 0 }
    let headers = WebhookHeaders([
        (name: "X-Event-Key", value: events[Int(bytes[0] >> 1) % events.count]), (name: "X-Request-UUID", value: "1"),
    ])
    let body = Array(UnsafeBufferPointer(start: bytes, count: count).dropFirst())
    do {
        guard case .push(let push) = try provider.read(headers, body: body) else { return 0 }
        for moved in push.refs {
            // Whatever was not as git and the forges have it is no change, but a reason.
            guard case .change(let change) = moved else { continue }
            precondition(RefName(full: change.ref.full) == change.ref && moved.refText == change.ref.full)
        }
    } catch {
        precondition(!error.sentence.isEmpty && !error.sentence.contains("\n"))
    }
    return 0
}
