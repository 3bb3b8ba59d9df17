namespace OrleansPd.Architecture.Tests;

/// <summary>Who may use whom in <c>src</c>: projects and folders, from the compiled assemblies.</summary>
public sealed class ArrowTests
{
    /// <summary>The simulator models one process, SGLang's, and its folders share the state of that process.</summary>
    private const string Simulator = "Simulator";

    private static readonly Lazy<CompiledArrows> Compiled = new(CompiledArrows.Read);

    [Fact]
    public void Folders_use_only_the_folders_that_the_table_allows()
    {
        if (Environment.GetEnvironmentVariable("ORLEANSPD_WRITE_TABLES") == "1")
            ArrowTable.Write(Compiled.Value.Examples.Keys);

        var table = ArrowTable.Read();
        var forbidden = Compiled.Value.Examples.Where(arrow => !table.Contains(arrow.Key))
            .Select(arrow => $"{arrow.Key}: {string.Join(", ", arrow.Value.Take(4))}");
        AssertNone("Not allowed by arrows.txt. Move the code, or add the line if you mean it:", forbidden);
        var unused = table.Where(arrow => !Compiled.Value.Examples.ContainsKey(arrow)).Select(arrow => arrow.ToString());
        AssertNone("No longer used. Delete the line from arrows.txt:", unused);
    }

    [Fact]
    public void Folders_form_no_circle_outside_the_simulator()
    {
        var arrows = Compiled.Value.Examples.Keys.Where(arrow => ProjectOf(arrow.From) != Simulator).ToHashSet();
        var pairs = arrows.Where(arrow => arrows.Contains(new(arrow.To, arrow.From))
                && string.CompareOrdinal(arrow.From, arrow.To) < 0)
            .ToDictionary(arrow => $"{arrow.From} <-> {arrow.To}");
        AssertNone("These folders use each other:", pairs.Values.Select(arrow => $"{Few(arrow)} | {Few(arrow.Back)}"));
        AssertNone("Circles:", Circles.In(arrows).Select(circle => string.Join(", ", circle)));

        string Few(Arrow arrow) => $"{arrow}: {string.Join(", ", Compiled.Value.Examples[arrow].Take(4))}";
    }

    [Fact]
    public void A_project_uses_each_project_it_references()
    {
        var used = Compiled.Value.Examples.Keys.Select(arrow => $"{ProjectOf(arrow.From)}: {ProjectOf(arrow.To)}");
        var referenced = Repository.Projects.SelectMany(project => project.References.Select(name => $"{project.Name}: {name}"));
        AssertNone("Referenced but not used:", referenced.Except(used));
    }

    [Fact]
    public void No_project_references_an_executable()
    {
        var executables = Repository.Projects.Where(project => project.IsExecutable).Select(project => project.Name).ToArray();

        Assert.Equal(["Server"], executables);
        Assert.All(Repository.Projects, project => Assert.Empty(project.References.Intersect(executables)));
    }

    [Fact]
    public void Native_calls_and_unsafe_code_are_in_Net_alone()
    {
        AssertNone("Only OrleansPd.Net may set AllowUnsafeBlocks:",
            Repository.Projects.Where(project => project.IsUnsafe && project.Name != "Net").Select(project => project.Name));
        AssertNone("Native calls outside OrleansPd.Net:",
            Compiled.Value.NativeCalls.Where(call => !call.StartsWith("Net: ", StringComparison.Ordinal)));
    }

    private static string ProjectOf(string folder) => folder.Split('.')[0];

    internal static void AssertNone(string what, IEnumerable<string> lines)
    {
        var found = lines.Order(StringComparer.Ordinal).ToArray();
        Assert.True(found.Length == 0, $"{what}\n  {string.Join("\n  ", found)}");
    }
}
