import Logging

extension LogEvent {
    /// All that is known about this event: the logger's metadata, over it what the provider adds, over that what the statement
    /// itself says. An error given to the statement appears as `error`.
    func metadata(over base: Logger.Metadata, provider: Logger.MetadataProvider?) -> Logger.Metadata {
        // Nearly always, and merging builds everything anew.
        if base.isEmpty, provider == nil, error == nil { return metadata ?? [:] }
        var result = base
        if let provided = provider?.get() { result.merge(provided) { _, new in new } }
        if let metadata { result.merge(metadata) { _, new in new } }
        if let error { result["error"] = "\(error)" }
        return result
    }
}
