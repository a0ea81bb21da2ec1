import Domain
import RealParts
import Testing

@testable import Providers

/// Broken deliveries: whatever a body holds, it is read or refused with a sentence, and nothing ever crashes.
struct FuzzTests {
    @Test("2,000 broken deliveries are read or refused with one sentence", arguments: Subject.all)
    func mutations(subject: Subject) throws {
        let seed = SeededRandom.seed
        print("fuzz of \(subject.folder): BITTERN_TEST_SEED=\(seed)")
        var random = SeededRandom(seed: seed)
        let bodies = try fixtureNames(of: subject.folder).map { try fixture($0) }
        let events = [subject.pushEvent, subject.pushEvent, subject.pushEvent, "mirror:repo_synchronized", "pullrequest:created"]
        let provider = try subject.provider
        var read = 0
        var refused = 0
        for _ in 0..<2000 {
            let body = mutated(try #require(bodies.randomElement(using: &random)), &random)
            let event = try #require(events.randomElement(using: &random))
            do throws(MalformedDelivery) {
                check(try provider.read(headers(["X-Event-Key": event]), body: body), "seed \(seed)")
                read += 1
            } catch {
                #expect(!error.sentence.isEmpty && error.sentence.utf8.count < 400, "seed \(seed)")
                #expect(error.sentence.unicodeScalars.allSatisfy(SafeText.isHarmless), "seed \(seed)")
                refused += 1
            }
        }
        // Both ways were gone often enough for this to mean something.
        #expect(read > 100 && refused > 100, "seed \(seed)")
    }

    /// Whatever was read keeps the promises that its readers rely on.
    private func check(_ event: ForgeEvent, _ comment: Comment) {
        guard case .push(let push) = event else { return }
        for ref in push.refs {
            #expect(ref.refText.unicodeScalars.allSatisfy(SafeText.isHarmless), comment)
            guard case .change(let change) = ref else { continue }
            #expect(RefName(full: change.ref.full) == change.ref && change.new?.isZero != true && change.old?.isZero != true, comment)
        }
    }
}

/// Between one and five small things gone wrong: bytes changed, cut, doubled, taken out, tokens put in.
func mutated(_ body: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
    var body = body
    let tokens = [
        "null", "5", "[]", "{}", "\"x\"", "-1e999", "\"\\u0000\"", "\"\\ud800\"", "true", ",", "}", "\u{1B}", "\"refs/heads/\"", "[[[[",
        "1e400",
    ]
    for _ in 0..<Int.random(in: 1...5, using: &random) where !body.isEmpty {
        let at = Int.random(in: body.indices, using: &random)
        let end = Int.random(in: at...min(at + 20, body.count), using: &random)
        switch Int.random(in: 0..<7, using: &random) {
        case 0: body[at] = UInt8.random(in: 0...255, using: &random)
        case 1: body[at] = UInt8.random(in: 0x30...0x39, using: &random)
        case 2: body.removeSubrange(at..<end)
        case 3: body.insert(contentsOf: body[at..<end], at: at)
        case 4: body.replaceSubrange(value(at: at, in: body), with: Array((tokens.randomElement(using: &random) ?? "").utf8))
        case 5: body.insert(contentsOf: Array((tokens.randomElement(using: &random) ?? "").utf8), at: at)
        default: if Int.random(in: 0..<8, using: &random) == 0 { body.removeSubrange(at...) } else { body[at] ^= 0x20 }
        }
    }
    return body
}

/// The next simple value behind a colon, so that what is left is JSON with a value of another type.
private func value(at position: Int, in body: [UInt8]) -> Range<Int> {
    guard let colon = body[position...].firstIndex(of: UInt8(ascii: ":")) else { return position..<position }
    let rest = body[(colon + 1)...]
    let end = rest.firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\n") } ?? body.endIndex
    return colon + 1..<end
}
