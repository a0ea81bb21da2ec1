/// What all processes of a step took together.
package struct StepUsage: Sendable, Equatable, Codable {
    /// Of the processors; nil: not known.
    package var processorTime: Duration?
    /// The most they had at one time, in bytes; nil: not known.
    package var memory: Int?

    package init(processorTime: Duration? = nil, memory: Int? = nil) {
        self.processorTime = processorTime
        self.memory = memory
    }

    /// For people; nil when nothing is known.
    package var inWords: String? {
        let parts = [
            processorTime.map { "\($0.inWords) of processor time" }, memory.map { "\($0 >> 20) MB of memory" },
        ].compactMap(\.self)
        return parts.isEmpty ? nil : parts.joined(separator: " and ")
    }
}
