namespace OrleansPd.Engines.Probes;

/// <summary>The facts that an engine reported, or why there are none.</summary>
/// <param name="Facts">Null when the engine cannot be used yet.</param>
/// <param name="Answer">How the reading ended.</param>
public readonly record struct EngineReading(WorkerFacts? Facts, ProbeAnswer Answer)
{
    public static EngineReading Of(WorkerFacts facts) => new(facts, ProbeAnswer.Good);

    public static EngineReading Failed(ProbeAnswer answer) => new(null, answer);
}
