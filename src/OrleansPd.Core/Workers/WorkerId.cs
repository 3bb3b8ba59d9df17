namespace OrleansPd.Core.Workers;

/// <summary>Identifies a worker while it is registered, across restarts of its engine.</summary>
/// <param name="Value">Not empty; unique in the fleet. By default the canonical URL of the worker.</param>
public readonly record struct WorkerId(string Value)
{
    public bool IsNone => string.IsNullOrEmpty(Value);

    public override string ToString() => Value ?? "";
}
