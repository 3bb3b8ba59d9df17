using OrleansPd.Simulator;

namespace OrleansPd.Tools.Demo;

/// <summary>What a demo runs on: simulated engines and a gateway, in this process or in several.</summary>
internal interface IDemoStage : IAsyncDisposable
{
    IReadOnlyList<DemoEngine> Engines { get; }

    Uri Gateway { get; }

    /// <summary>Completes with a sentence when a part has ended that nobody asked to.</summary>
    Task<string> Broken { get; }

    /// <summary>What <see cref="Measure"/> looks at.</summary>
    string MemoryOf { get; }

    MemorySample Measure();
}

/// <summary>One engine of a demo.</summary>
/// <param name="Name">Such as <c>prefill-1</c>.</param>
internal sealed record DemoEngine(string Name, EngineRole Role, Uri Url, int Ranks);

/// <summary>Memory at one moment.</summary>
/// <param name="Heap">Managed bytes in use after a full collection; null where they cannot be had from outside.</param>
/// <param name="Resident">Bytes of the process that are in RAM.</param>
internal readonly record struct MemorySample(long? Heap, long Resident);
