namespace OrleansPd.Core.Workers;

/// <summary>What an engine does. The names are SGLang's (<c>--disaggregation-mode</c>: prefill, decode, null).</summary>
public enum WorkerRole
{
    /// <summary>Reads prompts and sends the KV cache to a decode engine.</summary>
    Prefill,

    /// <summary>Receives KV caches and writes answers.</summary>
    Decode,

    /// <summary>Does both; takes no bootstrap members.</summary>
    Regular,
}
