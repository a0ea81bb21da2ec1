import Logging
import Testing

@testable import Systemd

@Suite("Message ids")
struct EventIDTests {
    @Test("are unique and 32 lower-case hexadecimal digits")
    func wellFormed() {
        #expect(EventID.allCases.count == 13)
        #expect(Set(EventID.allCases.map(\.rawValue)).count == EventID.allCases.count)
        #expect(EventID.allCases.map(\.rawValue).allSatisfy(EventID.isWellFormed))
        for wrong in ["", "5b32", String(repeating: "g", count: 32), String(repeating: "A", count: 32)] {
            #expect(!EventID.isWellFormed(wrong))
        }
    }

    @Test("never change: they are part of the product's interface")
    func fixed() {
        #expect("\(EventID.jobQueued)" == "f87176e2839249fb934d3f9e73e3edbc")
        #expect(EventID.jobQueued.metadataValue == .string("f87176e2839249fb934d3f9e73e3edbc"))
        #expect(
            EventID.allCases.map { $0.rawValue.prefix(8) } == [
                "5b321b43", "f87176e2", "33dbd944", "c090262d", "c7a2d148", "4b9affb1", "06a32647", "b02081a1", "8ede5483",
                "7d991e9b", "3d143029", "d6e545f0", "a55d5da9",
            ])
    }
}
