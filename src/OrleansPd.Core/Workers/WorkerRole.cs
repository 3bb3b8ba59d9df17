namespace OrleansPd.Core.Workers;

/// <summary>What an engine does for us. The words are SGLang's (<c>--disaggregation-mode</c>: prefill, decode, null).</summary>
public enum WorkerRole
{
    /// <summary>Reads prompts and sends the KV cache away.</summary>
    Prefill,

    /// <summary>Receives KV caches and writes answers.</summary>
    Decode,

    /// <summary>Does both by itself; takes no bootstrap members.</summary>
    Regular,
}
