namespace OrleansPd.Tools.Replay;

/// <summary>The endpoint that a replay calls.</summary>
internal enum ReplayEndpoint
{
    Generate,
    Chat,
    Completions,
}

/// <summary>Checks an answer: null if it is correct, else the problem.</summary>
internal delegate ValueTask<string?> AnswerVerifier(ReplayedRequest request, CancellationToken cancellationToken);

/// <summary>How a trace is replayed.</summary>
internal sealed record ReplayOptions
{
    public required Uri Url { get; init; }
    public ReplayEndpoint Endpoint { get; init; } = ReplayEndpoint.Generate;

    /// <summary>Name of the model in OpenAI requests. Default <c>default</c>.</summary>
    public string Model { get; init; } = "default";

    /// <summary>Trace time runs this many times faster; 0 = no waiting between arrivals. Default 1.</summary>
    public double Speed { get; init; } = 1;

    /// <summary>Most requests open at once; arrivals beyond wait, which is reported as their lag. Default 256.</summary>
    public int Concurrency { get; init; } = 256;

    /// <summary>Time for one request, start to end. Default 10 minutes.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Ask for event streams. Default true.</summary>
    public bool Stream { get; init; } = true;

    /// <summary>Send token ids in place of text, on <c>/generate</c> only. Default true.</summary>
    public bool TokenIds { get; init; } = true;

    /// <summary>Seed of the made-up prompts. Default 1.</summary>
    public int Seed { get; init; } = 1;

    public string? ApiKey { get; init; }

    /// <summary>Called for each answer that came whole; null keeps no texts.</summary>
    public AnswerVerifier? Verifier { get; init; }
}

/// <summary>One request and what became of it.</summary>
internal sealed record ReplayedRequest
{
    public required int Index { get; init; }

    /// <summary>What was sent, as JSON.</summary>
    public required ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>Send to first event with output; null without streaming.</summary>
    public TimeSpan? FirstOutput { get; init; }

    /// <summary>Send to end.</summary>
    public required TimeSpan Total { get; init; }

    public required int InputTokens { get; init; }
    public required int OutputTokens { get; init; }

    /// <summary>Kept only where there is a verifier.</summary>
    public string Text { get; init; } = "";

    /// <summary>Kept only where there is a verifier, and the endpoint names ids.</summary>
    public IReadOnlyList<int> OutputIds { get; init; } = [];

    /// <summary>Response headers, kept only where there is a verifier.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>One of <see cref="FailureKind"/> or an HTTP status; null = it went well.</summary>
    public string? Failure { get; init; }

    public string? Detail { get; init; }
}
