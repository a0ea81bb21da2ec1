import ArgumentParser
import ControlAPI
import Domain

struct Delivery: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one webhook delivery with what it meant for each app.")

    @OptionGroup var named: DeliveryArgument

    @OptionGroup var options: ReadOptions

    func run() async throws {
        try await options.show(.delivery(named.delivery), as: DeliveryReply.self, text: Self.text)
    }

    static func text(_ delivery: DeliveryReply) -> String {
        var facts = Table(["delivery \(delivery.id)", "answered \(delivery.answer)"])
        facts.add(["received", Terminal.localTime(delivery.received_at)])
        facts.add(["account", delivery.account ?? "-"])
        facts.add(["from", delivery.remote_address])
        facts.add(["event", delivery.event ?? "-"])
        facts.add(["request", delivery.request_id ?? "-"])
        if let original = delivery.duplicate_of { facts.add(["same as", "delivery \(original)"]) }
        if let reason = delivery.reason { facts.add(["refused", reason]) }
        if let repository = delivery.repository { facts.add(["repository", repository]) }
        if let app = delivery.hook_app { facts.add(["hook", "of \(app) alone"]) }
        var parts = [facts.text]
        if !delivery.results.isEmpty { parts.append(DeliveryResults.text(delivery.results)) }
        if !delivery.headers.isEmpty {
            parts.append((["HEADERS"] + delivery.headers.map { "  " + SafeText.shown($0) }).joined(separator: "\n"))
        }
        if delivery.changes.contains(where: { $0.unusable == nil }) {
            parts.append("bittern explain \(delivery.id) shows each rule; bittern replay \(delivery.id) runs it again.")
        }
        return parts.joined(separator: "\n\n")
    }
}

/// What changes meant for apps, a line each.
enum DeliveryResults {
    static func text(_ list: [DeliveryReply.Result]) -> String {
        var results = Table(["APP", "REF", "COMMIT", "VERDICT", "JOB", "REASON"])
        for result in list {
            results.add([
                result.app ?? "-", result.ref, result.commit.map { String($0.prefix(7)) } ?? "-", result.verdict,
                result.job.map(String.init) ?? "-", result.reason ?? "",
            ])
        }
        return results.text
    }
}
