namespace OrleansPd.Core.Options;

/// <summary>A setting that cannot be used.</summary>
/// <param name="Setting">The property, with its path where it is in a list: <c>QueueSize</c>, <c>Workers:0:Url</c>.</param>
/// <param name="Problem">
/// The rest of a sentence that begins with the setting, without a full stop. Other settings in it are named by their property.
/// </param>
public sealed record OptionProblem(string Setting, string Problem)
{
    public override string ToString() => $"{Setting}: {Problem}.";
}
