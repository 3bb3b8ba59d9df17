using OrleansPd.Simulator;

namespace OrleansPd.Tools.Demo;

/// <summary>The simulated engines and the gateway of a demo, in this process or in several.</summary>
internal interface IDemoStage : IAsyncDisposable
{
    IReadOnlyList<DemoEngine> Engines { get; }

    Uri Gateway { get; }

    /// <summary>Completes with a sentence when an engine or the gateway has ended unexpectedly.</summary>
    Task<string> Broken { get; }

    /// <summary>The processes that <see cref="Measure"/> covers.</summary>
    string MemoryOf { get; }

    MemorySample Measure();
}

/// <summary>One engine of a demo.</summary>
/// <param name="Name">Such as <c>prefill-1</c>.</param>
internal sealed record DemoEngine(string Name, EngineRole Role, Uri Url, int Ranks);

/// <summary>Memory at one moment.</summary>
/// <param name="Heap">Managed bytes in use after a full collection; null if another process holds them.</param>
/// <param name="Resident">Bytes of the process that are in RAM.</param>
internal readonly record struct MemorySample(long? Heap, long Resident);
