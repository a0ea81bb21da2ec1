import Testing

@testable import Domain

struct StepUsageTests {
    @Test("what a step took is said as far as it is known")
    func inWords() {
        #expect(StepUsage().inWords == nil)
        #expect(StepUsage(processorTime: .milliseconds(1500)).inWords == "1.5s of processor time")
        #expect(StepUsage(memory: 120 << 20).inWords == "120 MB of memory")
        #expect(StepUsage(processorTime: .seconds(90), memory: 3 << 30).inWords == "90s of processor time and 3072 MB of memory")
    }
}
