import ArgumentParser
import ControlAPI

struct Delivery: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one webhook delivery with what it meant for each app.")

    @Argument(help: "The delivery's number.")
    var delivery: Int64

    @OptionGroup var options: ReadOptions

    func run() async throws {
        try await options.show(.delivery(delivery), as: DeliveryReply.self, text: Self.text)
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
        guard !delivery.results.isEmpty else { return facts.text }
        var results = Table(["APP", "REF", "COMMIT", "VERDICT", "JOB", "REASON"])
        for result in delivery.results {
            results.add([
                result.app ?? "-", result.ref, result.commit.map { String($0.prefix(7)) } ?? "-", result.verdict,
                result.job.map(String.init) ?? "-", result.reason ?? "",
            ])
        }
        return facts.text + "\n\n" + results.text
    }
}
