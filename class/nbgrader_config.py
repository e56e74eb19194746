"""For nbgrader with the notebooks of this course: put it beside solutions/, and call it there."""

c = get_config()  # noqa: F821 # nbgrader's own

c.CourseDirectory.course_id = "ddpm"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
# submitted/STUDENT/CHAPTER/CHAPTER.ipynb goes in; autograded/, feedback/ and gradebook.db come out.
c.ExecutePreprocessor.timeout = 120  # seconds for one cell
